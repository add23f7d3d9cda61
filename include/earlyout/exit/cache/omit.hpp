// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_CACHE_OMIT_HPP
#define EARLYOUT_EXIT_CACHE_OMIT_HPP

#include <earlyout/exit/cache_policy.hpp>

#include <cstddef>
#include <limits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Skipped layers keep nothing of the token, and deeper tokens do not see it there: a mask for each layer, as in
/// SpecEE. Costs nothing, and their caches stay shorter; what deeper tokens see is not what the model was trained on.
struct omit {
    static constexpr earlyout::prefill prefill = earlyout::prefill::eager;
    static constexpr std::size_t cap = std::numeric_limits<std::size_t>::max();

    void before_token(const auto& skipped) const { skipped.omit(); }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
