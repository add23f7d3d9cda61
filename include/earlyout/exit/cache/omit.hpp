// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_CACHE_OMIT_HPP
#define EARLYOUT_EXIT_CACHE_OMIT_HPP

#include <earlyout/exit/cache_policy.hpp>

#include <cstddef>
#include <limits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Stores nothing of the token in skipped layers, so deeper tokens do not attend to it there: a mask for each layer, as
/// in SpecEE. Costs nothing, and the caches stay shorter; but the model was not trained with such masks.
struct omit {
    static constexpr earlyout::prefill prefill = earlyout::prefill::eager;
    static constexpr std::size_t cap = std::numeric_limits<std::size_t>::max();

    void before_token(const auto& skipped) const { skipped.omit(); }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
