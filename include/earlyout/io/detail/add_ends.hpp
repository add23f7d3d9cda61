// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_ADD_ENDS_HPP
#define EARLYOUT_IO_DETAIL_ADD_ENDS_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/text/control_names.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <optional>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io { namespace detail {

/// Adds the control tokens whose names mark the end of a text.
inline void add_ends_by_name(generation_config& into, const text::tokenizer& words) {
    text::add_ends_by_name(into.eos_token_ids, [&](std::string_view name) -> std::optional<token_id> {
        const auto id = words.find(name);
        return id && words.is_special(*id) ? id : std::nullopt;
    });
}

}  // namespace detail

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
