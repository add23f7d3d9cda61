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

/// What session::complete() returns.
struct completion {
    std::string text;           ///< of the new tokens; without a tokenizer empty
    std::vector<token_id> ids;  ///< the new tokens, an end-of-text token included
    std::vector<std::size_t> exit_layers;
    std::vector<float> log_probabilities;
    earlyout::finish_reason finish_reason = earlyout::finish_reason::max_new_tokens;
    /// End of `text` that no event carried: what was held back when something other than a token ended it.
    std::string unstreamed;
    run_stats stats;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
