// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GENERATION_CONFIG_HPP
#define EARLYOUT_IO_GENERATION_CONFIG_HPP

#include <earlyout/core/token.hpp>

#include <optional>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// How a model's texts begin and end. README.md in this folder, "Where settings come from", has the rules.
struct generation_config {
    bool add_bos = false;  ///< a prompt given as text begins with `bos_token_id`, with or without a middle to be filled
    std::optional<token_id> bos_token_id;
    std::vector<token_id> eos_token_ids;         ///< any of them ends a completion
    std::optional<std::string> chat_template{};  ///< Jinja source that turns messages into a prompt; it is not run here
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
