// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_CACHE_DEFER_HPP
#define EARLYOUT_EXIT_CACHE_DEFER_HPP

#include <earlyout/exit/cache_policy.hpp>

#include <cstddef>
#include <limits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Runs skipped layers later, for all deferred tokens in one chunk, when a token needs a deeper layer (FREE, EE-LLM).
/// Exact: deep states equal the full model's on the same tokens.
struct defer {
    /// Max generated tokens that may be deferred; once reached, the next token runs to full depth.
    std::size_t cap = std::numeric_limits<std::size_t>::max();
    earlyout::prefill prefill = earlyout::prefill::eager;

    static constexpr bool keeps_pending = true;

    void before_token(const auto& skipped) const { skipped.defer(); }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
