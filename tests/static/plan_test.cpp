// SPDX-License-Identifier: MIT
// The types of plans, policies and sessions, and how they are deduced.
#include <earlyout/earlyout.hpp>
#include <earlyout/models/gpt2.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

struct keeps_both {
    static constexpr eo::signal_set signals = eo::no_signals;
    struct token_state {
        int exits = 0;
    };
    struct sequence_state {
        float threshold = 0.5f;
    };
    eo::decision operator()(const auto&, token_state&, sequence_state&) const { return eo::decision::go_on; }
};

// Layers are sorted by depth at compile time, whatever the order they are written in.
template <class Plan>
constexpr bool layers_are(std::initializer_list<std::size_t> expected) {
    return std::ranges::equal(Plan::layers(), expected);
}
using interleaved = decltype(eo::exit_plan{eo::after<7, 2>(eo::margin{}), eo::after<5>(keeps_both{})});
static_assert(layers_are<interleaved>({2, 5, 7}) && interleaved::deepest_layer == 7);
static_assert(layers_are<eo::exit_plan<>>({}) && eo::exit_plan<>::deepest_layer == 0);
static_assert(!std::is_same_v<interleaved, decltype(eo::exit_plan{eo::after<5>(keeps_both{})})>);

// Any range of integers makes a plan at run time; its layers are not part of the type.
using from_vector = decltype(eo::exit_plan{std::vector{2, 4}, eo::margin{}});
using from_array = decltype(eo::exit_plan{std::array<short, 1>{3}, eo::margin{}});
static_assert(std::is_same_v<from_vector, eo::exit_plan<eo::exit_layers, eo::margin>>);
static_assert(std::is_same_v<from_vector, from_array> && from_vector::deepest_layer == 0);
static_assert(std::is_constructible_v<eo::exit_layers, std::vector<unsigned long>>);
static_assert(!std::is_constructible_v<eo::exit_layers, std::vector<float>>);
static_assert(!std::is_constructible_v<eo::exit_layers, int>);

// Rollback copies a plan's states byte by byte; a token starts with fresh ones.
template <class Plan>
constexpr bool states_are_restorable = std::is_trivially_copyable_v<typename Plan::token_state> &&
                                       std::is_trivially_copyable_v<typename Plan::sequence_state> &&
                                       std::is_nothrow_default_constructible_v<typename Plan::token_state>;
static_assert(states_are_restorable<interleaved> && states_are_restorable<eo::exit_plan<>>);
static_assert(states_are_restorable<eo::exit_plan<eo::exit_layers, keeps_both>>);
static_assert(states_are_restorable<eo::exit_plan<eo::exit_layers, eo::any_gate>>);

// A policy needs only a plan, but is never made from one implicitly.
using short_policy = decltype(eo::exit_policy{interleaved(eo::after<7, 2>(eo::margin{}), eo::after<5>(keeps_both{}))});
static_assert(std::is_same_v<short_policy, eo::exit_policy<interleaved, eo::shared_head, eo::propagate>>);
static_assert(!std::is_convertible_v<interleaved, short_policy>);
static_assert(std::is_same_v<decltype(eo::full_depth())::plan_type, eo::exit_plan<>>);
static_assert(std::is_nothrow_move_constructible_v<short_policy>);

// A session refers to its model, so a temporary is not accepted.
using any_session = eo::session<eo::gpt2<>, short_policy>;
static_assert(std::is_constructible_v<any_session, const eo::gpt2<>&, short_policy>);
static_assert(!std::is_constructible_v<any_session, eo::gpt2<>, short_policy>);
static_assert(!std::is_constructible_v<any_session, const eo::gpt2<>&, eo::exit_plan<>>);

// A callback returns whether to continue; one that returns nothing is refused.
using goes_on = decltype([](const eo::token_event&) { return eo::flow::proceed; });
using says_nothing = decltype([](const eo::token_event&) {});
static_assert(std::is_convertible_v<goes_on&, eo::token_callback>);
static_assert(!std::is_convertible_v<says_nothing&, eo::token_callback>);

}  // namespace

TEST_CASE("plans, policies and sessions are the types they should be", "[static]") { SUCCEED(); }
