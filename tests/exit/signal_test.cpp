// SPDX-License-Identifier: MIT
#include <earlyout/exit/signal.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("signals make sets", "[exit][signal]") {
    constexpr eo::signal_set none;
    static_assert(none == eo::no_signals);
    constexpr eo::signal_set two = eo::signal::logits | eo::signal::divergence;
    static_assert(two.contains(eo::signal::logits) && two.contains(eo::signal::divergence));
    static_assert(!two.contains(eo::signal::margin));
    static_assert((two | eo::signal::logits) == two);
    static_assert((eo::all_signals | two) == eo::all_signals);
    CHECK(eo::signal_set(eo::signal::margin).bits == static_cast<std::uint32_t>(eo::signal::margin));
}
