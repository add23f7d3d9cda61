// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_CACHE_DEFER_HPP
#define EARLYOUT_EXIT_CACHE_DEFER_HPP

#include <earlyout/exit/cache_policy.hpp>

#include <cstddef>
#include <limits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Skipped layers run later, for all deferred tokens in one chunk, when a token needs to go there (FREE, EE-LLM).
/// Exact: deep states equal the full model's on the same tokens.
struct defer {
    /// Max generated tokens that may be deferred; at that many the next token passes all layers.
    std::size_t cap = std::numeric_limits<std::size_t>::max();
    earlyout::prefill prefill = earlyout::prefill::eager;

    void before_token(const auto& skipped) const { skipped.defer(); }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
