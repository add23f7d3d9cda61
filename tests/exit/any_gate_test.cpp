// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/gates/combinators.hpp>
#include <earlyout/exit/gates/decaying.hpp>
#include <earlyout/exit/gates/jei_dnn.hpp>
#include <earlyout/exit/gates/learn_to_exit.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/gates/patience.hpp>
#include <earlyout/exit/gates/saturation.hpp>

#include <vector>

#include "exit/exit_point.hpp"
#include "exit/exit_walk.hpp"
#include "exit/gates_made_up.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::decision;
using support::counted;
using support::exit_point;
using support::nth_exit;

namespace {

/// Decisions over three tokens of four exits each.
template <class Gate>
std::vector<decision> decisions(const Gate& gate) {
    std::vector<decision> made;
    auto sequence = eo::start_sequence(gate);
    exit_point at({0.0f, 1.0f});
    for (int token = 0; token < 3; ++token) {
        eo::token_state_of<Gate> state{};
        for (int exit = 0; exit < 4; ++exit) made.push_back(eo::evaluate(gate, at.signals(), state, sequence));
    }
    return made;
}

}  // namespace

TEST_CASE("any_gate decides as the gate it holds, states and all", "[exit][any_gate]") {
    int evaluations = 0;
    const nth_exit second{.n = 2}, late{.n = 9, .limit = 5};
    CHECK(decisions(eo::any_gate(second)) == decisions(second));
    CHECK(decisions(eo::any_gate(late)) == decisions(late));
    CHECK(decisions(late) != decisions(second));
    const eo::any_of several(second, late, counted{decision::go_on, &evaluations});
    CHECK(decisions(eo::any_gate(several)) == decisions(several));
    CHECK(decisions(eo::any_gate(eo::margin{.threshold = 0.4f})) == std::vector<decision>(12, decision::exit));
}

TEST_CASE("any_gate holds the library's gates with their states", "[exit][any_gate]") {
    support::exit_walk token({{0, 1}, {0, 2}, {2, 0}, {3, 0}}, {{1, 0}, {0, 1}, {1, 1}, {3, 3}});
    const auto check = [&](const auto& gate, const std::vector<decision>& expected) {
        CHECK(token.ask(gate) == expected);
        CHECK(token.ask(eo::any_gate(gate)) == expected);
    };
    const std::vector<float> two{-1, -1}, four(4);
    const auto go_on = decision::go_on, exit = decision::exit;
    check(eo::patience{.exits_in_a_row = 1}, {go_on, exit, go_on, exit});
    check(eo::saturation{.threshold = 0.7f}, {go_on, go_on, exit, exit});
    check(eo::decaying(eo::saturation{.threshold = 0.71f}, 8), {go_on, go_on, go_on, exit});
    check(eo::learn_to_exit({.outputs = 1, .inputs = 2, .weight = two, .bias = {}}), {go_on, go_on, go_on, exit});
    // g = .5 twice, and then no tokens remain.
    check(eo::jei_dnn({.outputs = 1, .inputs = 4, .weight = four, .bias = {}}, 0.7f), {go_on, exit, exit, exit});
}

TEST_CASE("a copy of any_gate's state continues where the original was", "[exit][any_gate]") {
    const eo::any_gate gate = nth_exit{.n = 3};
    exit_point at({0.0f});
    eo::any_gate::token_state token{};
    auto sequence = eo::start_sequence(gate);
    CHECK(eo::evaluate(gate, at.signals(), token, sequence) == decision::go_on);
    CHECK(eo::evaluate(gate, at.signals(), token, sequence) == decision::go_on);
    eo::any_gate::token_state kept = token;
    CHECK(eo::evaluate(gate, at.signals(), token, sequence) == decision::exit);
    CHECK(eo::evaluate(gate, at.signals(), kept, sequence) == decision::exit);
}

TEST_CASE("any_gate reports the signals of its gate and computes no others", "[exit][any_gate]") {
    int evaluations = 0;
    CHECK(eo::signals_of(eo::any_gate(eo::margin{})) == eo::signal_set(eo::signal::margin));
    CHECK(eo::signals_of(eo::any_gate(counted{decision::exit, &evaluations})) == eo::no_signals);
    exit_point at({0.0f, 1.0f});
    CHECK(at.ask(eo::any_gate(counted{decision::stop, &evaluations})) == decision::stop);
    CHECK(evaluations == 1);
    CHECK(at.heads_run() == 0);
}

TEST_CASE("any_gate forwards its gate's refusal", "[exit][any_gate]") {
    int evaluations = 0;
    const eo::any_gate narrow = counted{decision::exit, &evaluations, 8};
    CHECK(support::error_of([&] { eo::check_gate(narrow, {.layers = 1, .d_model = 9}); }).code == "mismatch");
    CHECK_NOTHROW(eo::check_gate(narrow, {.layers = 1, .d_model = 8}));
}
