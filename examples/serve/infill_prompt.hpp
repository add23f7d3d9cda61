// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_INFILL_PROMPT_HPP
#define EARLYOUT_EXAMPLES_SERVE_INFILL_PROMPT_HPP

#include <earlyout/core/function_ref.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <cstddef>
#include <span>
#include <vector>

#include "fim_order.hpp"
#include "prompt_ids.hpp"

namespace serve {

/// Tokens of a prompt that a limit on its time omitted.
struct omitted_tokens {
    std::size_t extra = 0;
    std::size_t prefix = 0;
    std::size_t suffix = 0;

    [[nodiscard]] bool any() const noexcept { return extra + prefix + suffix != 0; }
};

/// The texts around a cursor, as tokens.
struct infill_texts {
    std::vector<token_ids> extra;  ///< chunks of other files with their headers, the farthest from the cursor first
    token_ids prefix;              ///< the lines above
    token_ids typed;               ///< what the cursor's line has before the cursor
    token_ids suffix;              ///< everything behind the cursor
    token_ids repository;          ///< before the first chunk
    token_ids file;                ///< between the last chunk and the prompt itself
};

/// Composes fill-in-the-middle prompts of one model.
class infill_composer {
public:
    infill_composer(const eo::text::tokenizer& words, const eo::text::fill_in_the_middle& tokens, fim_order order)
        : words_(words), tokens_(tokens), order_(order) {}

    /// Cuts texts to what a prompt may hold: the prefix to its last 3/4 of a batch, the suffix to its first 1/4, the
    /// other chunks to what the context leaves beside `n_predict` new tokens. A few more tokens may be omitted so that
    /// what precedes the cursor stays the same while lines are typed: up to a sixth of a prefix that is cut, and where
    /// the suffix precedes what is typed, up to a few percent of it.
    void cut(infill_texts& texts, std::size_t batch, std::size_t context, std::size_t n_predict) const;

    [[nodiscard]] token_ids compose(const infill_texts& texts) const;

    /// Composes a prompt that costs at most n tokens beyond those that are reused. Omits chunks of other files first,
    /// the farthest first, then the start of the prefix, then the end of the suffix; never what was typed. Where more
    /// than half of the prompt is reused, which its start would no longer be, up to half of the suffix is omitted
    /// instead.
    /// @param reusable tokens at the start of a prompt that cost nothing
    [[nodiscard]] token_ids compose_within(infill_texts texts, std::size_t n,
                                           eo::function_ref<std::size_t(const token_ids&)> reusable,
                                           omitted_tokens& omitted) const;

private:
    /// Returns the tokens of a prompt that belong to no text.
    [[nodiscard]] std::size_t frame() const noexcept;

    const eo::text::tokenizer& words_;
    const eo::text::fill_in_the_middle& tokens_;
    fim_order order_;
};

}  // namespace serve

#endif
