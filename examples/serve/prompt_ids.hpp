// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_PROMPT_IDS_HPP
#define EARLYOUT_EXAMPLES_SERVE_PROMPT_IDS_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"

namespace serve {

namespace eo = earlyout;
using token_ids = std::vector<eo::token_id>;

/// How a text of a request becomes tokens.
enum class text_kind {
    prompt,      ///< special tokens in it are tokens, and what precedes every text precedes it
    typed,       ///< special tokens in it are tokens; it continues a text
    plain,       ///< of a user's file: special tokens in it are text
    plain_after  ///< the same, as a continuation of a text
};

/// Returns the tokens of a text.
[[nodiscard]] token_ids encode(const eo::text::tokenizer& words, std::string_view text, text_kind kind);

/// Returns the tokens of a string, of an array of ids, or of an array of both.
/// @param name of the field, in errors
/// @throws api_error for anything else, and for an id that no token has
[[nodiscard]] token_ids encode(const eo::text::tokenizer& words, const json& value, text_kind kind,
                               std::string_view name);

/// Returns the prompts of a request: one string, array of ids or mixture of both, or an array of these.
/// @param are_many set to whether they were in such an array
/// @throws api_error
[[nodiscard]] std::vector<token_ids> prompts_of(const eo::text::tokenizer& words, const json& value, bool& are_many);

}  // namespace serve

#endif
