// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/margin.hpp>

#include <array>
#include <utility>
#include <vector>

#include "exit/exit_point.hpp"
#include "exit/gates_made_up.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::decision;
using eo::errc;
using support::counted;
using support::error_of;
using support::exit_point;
using support::nth_exit;
using support::thrown;

namespace {

using visits = std::vector<std::pair<std::size_t, decision>>;

/// The exits that a token reaches until a gate decides other than continue.
template <class Plan>
visits walk_exits(const Plan& plan, typename Plan::sequence_state& sequence) {
    visits seen;
    exit_point at({0.0f, 1.0f});
    typename Plan::state state{.token = {}, .sequence = sequence};
    for (auto layer = plan.next_exit(0); layer; layer = plan.next_exit(*layer)) {
        seen.emplace_back(*layer, plan.ask(*layer, at.signals(), state));
        if (seen.back().second != decision::go_on) break;
    }
    sequence = state.sequence;
    return seen;
}

std::vector<std::size_t> layers_of(const auto& plan) { return {plan.layers().begin(), plan.layers().end()}; }

constexpr eo::model_shape eight_layers{.layers = 8, .d_model = 4};

}  // namespace

TEST_CASE("exit layers are sorted, distinct and numbered from 1", "[exit][exit_plan]") {
    const auto sorted = [](const eo::exit_layers& l) {
        return std::vector<std::size_t>(l.layers().begin(), l.layers().end());
    };
    CHECK(sorted({5, 1, 3}) == std::vector<std::size_t>{1, 3, 5});
    CHECK(sorted(std::vector<std::size_t>{7}) == std::vector<std::size_t>{7});
    CHECK(sorted(std::array<short, 2>{2, 1}) == std::vector<std::size_t>{1, 2});
    CHECK(sorted(std::vector<int>{}).empty());
    CHECK(error_of([] { eo::exit_layers({2, 0}); }) == thrown(errc::invalid_argument, {"from 1", "found 0"}));
    CHECK(error_of([] { eo::exit_layers({-3}); }) == thrown(errc::invalid_argument, {"found -3"}));
    CHECK(error_of([] { eo::exit_layers({4, 2, 4}); }) == thrown(errc::invalid_argument, {"layer 4", "twice"}));
}

TEST_CASE("each layer's own gate is evaluated, in order of depth", "[exit][exit_plan]") {
    int shallow = 0, deep = 0;
    const eo::exit_plan plan{eo::after<7, 2>(counted{decision::go_on, &shallow}),
                             eo::after<5>(counted{decision::go_on, &deep})};
    CHECK(layers_of(plan) == std::vector<std::size_t>{2, 5, 7});
    static_assert(decltype(plan)::deepest_layer == 7);
    auto sequence = plan.start_sequence();
    CHECK(walk_exits(plan, sequence) == visits{{2, decision::go_on}, {5, decision::go_on}, {7, decision::go_on}});
    CHECK(shallow == 2);
    CHECK(deep == 1);

    const eo::exit_plan stopping{eo::after<1>(counted{decision::go_on, &shallow}),
                                 eo::after<3>(counted{decision::stop, &deep}), eo::after<4>(eo::always_exit{})};
    auto other = stopping.start_sequence();
    CHECK(walk_exits(stopping, other) == visits{{1, decision::go_on}, {3, decision::stop}});
}

TEST_CASE("a gate's token state runs through its layers, its sequence state through all tokens", "[exit][exit_plan]") {
    const nth_exit third{.n = 3, .limit = 7};
    const eo::exit_plan fixed{eo::after<1, 2, 4, 6>(third)};
    const eo::exit_plan chosen{eo::exit_layers({1, 2, 4, 6}), third};
    const eo::exit_plan held{eo::exit_layers({1, 2, 4, 6}), eo::any_gate(third)};
    auto a = fixed.start_sequence();
    auto b = chosen.start_sequence();
    auto c = held.start_sequence();
    const visits three{{1, decision::go_on}, {2, decision::go_on}, {4, decision::exit}};
    for (int token = 0; token < 2; ++token) {
        CHECK(walk_exits(fixed, a) == three);
        CHECK(walk_exits(chosen, b) == three);
        CHECK(walk_exits(held, c) == three);
    }
    // The eighth exit of the sequence is past the gate's limit.
    const visits two{{1, decision::go_on}, {2, decision::exit}};
    CHECK(walk_exits(fixed, a) == two);
    CHECK(walk_exits(chosen, b) == two);
    CHECK(walk_exits(held, c) == two);
}

TEST_CASE("a plan reads the signals of its gates", "[exit][exit_plan]") {
    CHECK(eo::exit_plan{eo::after<1>(nth_exit{}), eo::after<2>(eo::margin{})}.signals() ==
          (eo::signal::hidden_state | eo::signal::margin));
    CHECK(eo::exit_plan{eo::exit_layers({1}), eo::any_gate(eo::margin{})}.signals() ==
          eo::signal_set(eo::signal::margin));
    CHECK(eo::exit_plan{}.signals() == eo::no_signals);
    CHECK(eo::exit_plan{}.layers().empty());
}

TEST_CASE("a plan refuses a model without its layers, or one that a gate refuses", "[exit][exit_plan]") {
    CHECK_NOTHROW(eo::exit_plan{eo::after<8>(eo::always_exit{})}.check(eight_layers));
    CHECK(error_of([] { eo::exit_plan{eo::after<2, 9>(eo::always_exit{})}.check(eight_layers); }) ==
          thrown(errc::out_of_range, {"9", "8"}));
    CHECK(error_of([] {
              eo::exit_plan{eo::exit_layers({1, 12}), eo::margin{}}.check(eight_layers);
          }) == thrown(errc::out_of_range, {"12", "8"}));
    int evaluations = 0;
    const counted narrow{decision::exit, &evaluations, 3};
    CHECK(error_of([&] { eo::exit_plan{eo::after<1>(narrow)}.check(eight_layers); }).code == "mismatch");
    CHECK(error_of([&] { eo::exit_plan{eo::exit_layers({1}), narrow}.check(eight_layers); }).code == "mismatch");
}
