// SPDX-License-Identifier: MIT
// Unused features and constants known at compile time take no space in an object.
#include <earlyout/earlyout.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/nn/normalization.hpp>

#include <cstddef>
#include <type_traits>

#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

// Full depth: no gate to evaluate, no state to keep.
static_assert(std::is_empty_v<eo::shared_head> && std::is_empty_v<eo::propagate> && std::is_empty_v<eo::no_state>);
static_assert(std::is_empty_v<eo::never_exit> && std::is_empty_v<eo::always_exit>);
static_assert(sizeof(eo::exit_plan<>) == 1);
static_assert(std::is_same_v<eo::token_state_of<eo::sec_gate>, eo::no_state>);
static_assert(std::is_same_v<eo::sequence_state_of<eo::sec_gate>, eo::no_state>);

// A plan known at compile time is the size of its gates: the layers are part of the type.
template <class Plan>
constexpr std::size_t room = sizeof(Plan);
using once = decltype(eo::exit_plan{eo::after<3>(eo::margin{})});
using often = decltype(eo::exit_plan{eo::after<2, 3, 5, 6, 7>(eo::margin{})});
static_assert(room<once> == sizeof(eo::margin) && room<often> == room<once>);

// A combinator is the size of its gates.
static_assert(sizeof(eo::and_then<eo::margin, eo::max_probability>) == 2 * sizeof(float));
static_assert(sizeof(eo::any_of<eo::margin, eo::margin, eo::margin>) == 3 * sizeof(float));

// Views are the size of what they refer to.
static_assert(sizeof(eo::signal_view<eo::all_signals>) == sizeof(void*));
static_assert(sizeof(eo::function_ref<void(std::size_t)>) == 2 * sizeof(void*));
static_assert(sizeof(eo::matrix_view<const float>) == sizeof(void*) + 3 * sizeof(std::size_t));

// A size fixed at compile time is not stored.
static_assert(sizeof(eo::layer_norm<64>) + sizeof(std::size_t) == sizeof(eo::layer_norm<>));
static_assert(sizeof(eo::linear<eo::f32, 64>) + sizeof(std::size_t) == sizeof(eo::linear<eo::f32>));

}  // namespace

TEST_CASE("unused features take no space", "[static]") { SUCCEED(); }
