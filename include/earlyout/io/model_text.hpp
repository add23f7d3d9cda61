// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_MODEL_TEXT_HPP
#define EARLYOUT_IO_MODEL_TEXT_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/text/control_names.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <optional>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// How a model reads and writes text.
struct model_text {
    generation_config generation;
    std::optional<text::tokenizer> tokenizer;  ///< its tokens_before() are all that goes before a prompt
};

namespace detail {

/// Adds the control tokens that end a text by their name.
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
