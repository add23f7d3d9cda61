// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_CACHE_PROPAGATE_HPP
#define EARLYOUT_EXIT_CACHE_PROPAGATE_HPP

#include <earlyout/exit/cache_policy.hpp>

#include <cstddef>
#include <limits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Computes the skipped layers' keys and values from the hidden state that the token exited with (CALM, SEC). Cheap and
/// immediate; deeper tokens later see an approximation.
struct propagate {
    static constexpr earlyout::prefill prefill = earlyout::prefill::eager;
    static constexpr std::size_t cap = std::numeric_limits<std::size_t>::max();

    void before_token(const auto& skipped) const { skipped.propagate(); }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
