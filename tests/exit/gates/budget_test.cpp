// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/budget.hpp>
#include <earlyout/exit/gates/combinators.hpp>

#include <chrono>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using eo::decision;
using support::exit_point;

namespace {

/// Evaluates a gate for the token at a position, after a prompt of ten.
template <class Gate>
decision at_position(const Gate& gate, std::size_t position) {
    exit_point at({0.0f, 1.0f}, {0.0f}, 2, position);
    at.signals().start_completion(10);
    return at.ask(gate);
}

struct says_stop {
    static constexpr eo::signal_set signals = eo::no_signals;
    decision operator()(const auto&) const { return decision::stop; }
};

}  // namespace

TEST_CASE("a budget of tokens counts those produced", "[exit][budget]") {
    const eo::token_budget three{3};
    CHECK(at_position(three, 9) == decision::go_on);  // the end of the prompt: none yet
    CHECK(at_position(three, 11) == decision::go_on);
    CHECK(at_position(three, 12) == decision::spent);
    CHECK(at_position(three, 40) == decision::spent);
    CHECK(at_position(eo::token_budget{3, eo::over_budget::exit}, 12) == decision::exit);
    CHECK(at_position(eo::token_budget{0}, 9) == decision::spent);
}

TEST_CASE("a budget of time counts from the start of the completion", "[exit][budget]") {
    using namespace std::chrono_literals;
    CHECK(at_position(eo::time_budget{1h}, 20) == decision::go_on);
    CHECK(at_position(eo::time_budget{0s}, 9) == decision::spent);
    const eo::time_budget gate{1h, eo::over_budget::exit};
    exit_point at({0.0f, 1.0f});
    eo::no_state token;
    eo::time_budget::sequence_state state{eo::time_budget::clock::now() - 2h};
    CHECK(eo::evaluate(gate, at.signals(), token, state) == decision::exit);
    state = gate.start_sequence();
    CHECK(eo::evaluate(gate, at.signals(), token, state) == decision::go_on);
}

TEST_CASE("a spent budget precedes other gates' decisions", "[exit][budget]") {
    const eo::token_budget budget{2};
    for (const std::size_t position : {std::size_t{10}, std::size_t{11}}) {
        const bool over = position == 11;
        CHECK(at_position(eo::any_of(eo::always_exit{}, budget), position) ==
              (over ? decision::spent : decision::exit));
        CHECK(at_position(eo::any_of(budget, says_stop{}), position) == (over ? decision::spent : decision::stop));
        CHECK(at_position(eo::all_of(eo::always_exit{}, budget), position) ==
              (over ? decision::spent : decision::go_on));
        CHECK(at_position(eo::and_then(budget, eo::always_exit{}), position) ==
              (over ? decision::spent : decision::go_on));
        CHECK(at_position(eo::any_gate(eo::any_of(budget, eo::time_budget{}, eo::always_exit{})), position) ==
              (over ? decision::spent : decision::exit));
    }
    CHECK(std::string(to_string(decision::spent)) == "spent");
}
