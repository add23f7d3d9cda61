// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/combinators.hpp>
#include <earlyout/exit/gates/margin.hpp>

#include <type_traits>

#include "exit/exit_point.hpp"
#include "exit/gates_made_up.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::decision;
using support::counted;
using support::exit_point;
using support::nth_exit;

namespace {

constexpr decision every_decision[] = {decision::go_on, decision::exit, decision::stop};

}  // namespace

TEST_CASE("and_then evaluates the second gate only at exits of the first", "[exit][combinators]") {
    for (const decision first : every_decision) {
        for (const decision second : every_decision) {
            int firsts = 0, seconds = 0;
            exit_point at({0.0f});
            const decision both = at.ask(eo::and_then(counted{first, &firsts}, counted{second, &seconds}));
            CHECK(both == (first == decision::exit ? second : first));
            CHECK(firsts == 1);
            CHECK(seconds == (first == decision::exit ? 1 : 0));
        }
    }
}

TEST_CASE("a check behind a cheap gate computes logits only there", "[exit][combinators]") {
    int evaluations = 0;
    exit_point at({0.0f, 50.0f});
    CHECK(at.ask(eo::and_then(counted{decision::go_on, &evaluations}, eo::margin{.threshold = 0.5f})) ==
          decision::go_on);
    CHECK(at.heads_run() == 0);
    CHECK(at.ask(eo::and_then(counted{decision::exit, &evaluations}, eo::margin{.threshold = 0.5f})) == decision::exit);
    CHECK(at.heads_run() == 1);
    static_assert(eo::and_then<nth_exit, eo::margin>::signals == (eo::signal::hidden_state | eo::signal::margin));
}

TEST_CASE("all_of needs agreement, any_of takes the first decision; both evaluate all gates", "[exit][combinators]") {
    for (const decision a : every_decision) {
        for (const decision b : every_decision) {
            for (const decision c : every_decision) {
                int evaluations = 0;
                exit_point at({0.0f});
                const decision all =
                    at.ask(eo::all_of(counted{a, &evaluations}, counted{b, &evaluations}, counted{c, &evaluations}));
                CHECK(all == (a == b && b == c ? a : decision::go_on));
                CHECK(evaluations == 3);
                const decision any =
                    at.ask(eo::any_of(counted{a, &evaluations}, counted{b, &evaluations}, counted{c, &evaluations}));
                CHECK(any == (a != decision::go_on ? a : b != decision::go_on ? b : c));
                CHECK(evaluations == 6);
            }
        }
    }
}

TEST_CASE("combined gates keep each its own states", "[exit][combinators]") {
    int evaluations = 0;
    const eo::any_of gate(nth_exit{.n = 3}, counted{decision::go_on, &evaluations}, nth_exit{.n = 100, .limit = 5});
    using gate_type = std::remove_const_t<decltype(gate)>;
    static_assert(std::is_trivially_copyable_v<gate_type::token_state> &&
                  std::is_trivially_copyable_v<gate_type::sequence_state>);
    auto sequence = eo::start_sequence(gate);
    exit_point at({0.0f});
    int exits = 0;
    for (int token = 0; token < 4; ++token) {
        eo::token_state_of<gate_type> state{};
        for (int exit = 1; exit <= 2; ++exit) {
            ++exits;
            // Two exits of a token are too few for the first gate; the last one reaches its limit after five.
            CHECK(eo::evaluate(gate, at.signals(), state, sequence) == (exits > 5 ? decision::exit : decision::go_on));
        }
    }
    eo::token_state_of<gate_type> state{};
    auto fresh = eo::start_sequence(gate);
    for (int exit = 1; exit <= 3; ++exit) {
        CHECK(eo::evaluate(gate, at.signals(), state, fresh) == (exit == 3 ? decision::exit : decision::go_on));
    }
}

TEST_CASE("a combined gate refuses the models that its gates refuse", "[exit][combinators]") {
    int evaluations = 0;
    const counted wide{decision::exit, &evaluations}, narrow{decision::exit, &evaluations, 8};
    CHECK_NOTHROW(eo::all_of(wide, wide).check({.layers = 1, .d_model = 160}));
    CHECK(support::error_of([&] { eo::all_of(wide, narrow).check({.layers = 1, .d_model = 160}); }) ==
          support::thrown(eo::errc::mismatch, {"too wide"}));
    CHECK(support::error_of([&] { eo::and_then(narrow, wide).check({.layers = 1, .d_model = 9}); }).code == "mismatch");
}
