// SPDX-License-Identifier: MIT
// Sets of signals as constants and as template arguments.
#include <earlyout/exit/signal_view.hpp>

#include <bit>
#include <type_traits>

#include "support/catch.hpp"

namespace eo = earlyout;
using eo::signal;
using eo::signal_set;

namespace {

constexpr signal every_signal[] = {signal::hidden_state,          signal::logits,          signal::argmax,
                                   signal::max_probability,       signal::margin,          signal::entropy,
                                   signal::previous_hidden_state, signal::previous_argmax, signal::divergence};

// Each is a bit of its own, and all_signals holds them and nothing else.
constexpr bool distinct_and_complete() {
    signal_set seen;
    for (const signal s : every_signal) {
        if (std::popcount(signal_set(s).bits) != 1 || seen.contains(s)) return false;
        seen = seen | s;
    }
    return seen == eo::all_signals;
}
static_assert(distinct_and_complete());

constexpr bool none_in(signal_set set) {
    for (const signal s : every_signal) {
        if (set.contains(s)) return false;
    }
    return true;
}
static_assert(none_in(eo::no_signals) && none_in({}));

// Union.
constexpr signal_set pair = signal::margin | signal::logits;
static_assert(pair.contains(signal::margin) && pair.contains(signal::logits) && !pair.contains(signal::entropy));
static_assert((pair | pair) == pair && (pair | eo::no_signals) == pair && (pair | eo::all_signals) == eo::all_signals);
static_assert(pair != signal_set(signal::margin));

// A signal converts to a set; a number does not.
static_assert(std::is_convertible_v<signal, signal_set> && !std::is_convertible_v<unsigned, signal_set>);

// Equal sets give the same view type, in whatever order they are written.
static_assert(std::is_same_v<eo::signal_view<pair>, eo::signal_view<signal::logits | signal::margin>>);
static_assert(!std::is_same_v<eo::signal_view<pair>, eo::signal_view<signal::margin>>);

// A view is constructed from an exit explicitly, and is passed by value.
using view_of_pair = eo::signal_view<pair>;
static_assert(std::is_constructible_v<view_of_pair, eo::exit_signals&>);
static_assert(!std::is_convertible_v<eo::exit_signals&, view_of_pair>);
static_assert(!std::is_constructible_v<view_of_pair, const eo::exit_signals&>);
static_assert(std::is_trivially_copyable_v<view_of_pair> && !std::is_default_constructible_v<view_of_pair>);

}  // namespace

TEST_CASE("sets of signals are constants", "[static]") { SUCCEED(); }
