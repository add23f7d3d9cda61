// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_COMPLETION_HPP
#define EARLYOUT_GENERATE_COMPLETION_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/generate/events.hpp>
#include <earlyout/generate/run_stats.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Result of session::complete().
struct completion {
    std::string text;           ///< of the new tokens; empty without a tokenizer
    std::vector<token_id> ids;  ///< the new tokens, including an end-of-text token
    std::vector<std::size_t> exit_layers;
    std::vector<float> log_probabilities;
    earlyout::finish_reason finish_reason = earlyout::finish_reason::max_new_tokens;
    /// End of `text` that no event carried: text held back when the completion ended other than by a token.
    std::string unstreamed;
    run_stats stats;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
