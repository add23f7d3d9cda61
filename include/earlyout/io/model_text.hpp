// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_MODEL_TEXT_HPP
#define EARLYOUT_IO_MODEL_TEXT_HPP

#include <earlyout/io/generation_config.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <optional>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// How a model reads and writes text.
struct model_text {
    generation_config generation;
    std::optional<text::tokenizer> tokenizer;  ///< its tokens_before() are all tokens that precede a prompt
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
