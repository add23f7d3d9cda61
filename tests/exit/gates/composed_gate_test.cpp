// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/composed_gate.hpp>

#include <earlyout/exit/gates/combinators.hpp>

#include <vector>

#include "exit/exit_walk.hpp"
#include "exit/gates_made_up.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::decision;
using gate_part = eo::composed_gate::part;
using support::counted;
using support::exit_walk;
using support::nth_exit;

TEST_CASE("gates composed at run time decide as those composed by type", "[exit][composed_gate]") {
    exit_walk token({{0.0f}, {0.0f}, {0.0f}, {0.0f}, {0.0f}});
    for (const decision first : {decision::go_on, decision::exit, decision::stop, decision::spent}) {
        for (const decision second : {decision::go_on, decision::exit, decision::stop, decision::spent}) {
            int by_type = 0, at_run_time = 0;
            const counted a{first, &by_type}, b{second, &by_type}, c{first, &at_run_time}, d{second, &at_run_time};
            INFO(to_string(first) << ", " << to_string(second));
            CHECK(token.ask(eo::composed_gate({{gate_part(c), gate_part(d)}})) == token.ask(eo::and_then(a, b)));
            CHECK(token.ask(eo::composed_gate({{gate_part(c)}, {gate_part(d)}})) == token.ask(eo::any_of(a, b)));
            CHECK(by_type == at_run_time);
        }
    }
    const nth_exit third{3}, second{2, 7};
    const eo::composed_gate both({{gate_part(second), gate_part(third)}});
    auto typed = eo::start_sequence(eo::and_then(second, third));
    auto erased = eo::start_sequence(both);
    for (int repeat = 0; repeat < 3; ++repeat) {
        CHECK(token.ask(both, erased) == token.ask(eo::and_then(second, third), typed));
    }
    CHECK(eo::signals_of(both) == eo::signal_set(eo::signal::hidden_state));
}

TEST_CASE("composed gates hold a few gates and check them all", "[exit][composed_gate]") {
    int evaluations = 0;
    const gate_part one = counted{decision::exit, &evaluations, 10};
    eo::model_shape shape;
    shape.d_model = 11;
    CHECK(support::error_of([&] { eo::composed_gate({{one}}).check(shape); }).code == "mismatch");
    CHECK_NOTHROW(eo::composed_gate({{one, one}, {one, one}}));
    CHECK(support::error_of([&] {
              (void)eo::composed_gate({{one, one, one}, {one, one}});
          }) == support::thrown(eo::errc::invalid_argument, {"1 to 4", "5"}));
    using chains = std::vector<std::vector<gate_part>>;
    CHECK(support::error_of([&] { (void)eo::composed_gate(chains{}); }).code == "invalid_argument");
    CHECK(support::error_of([&] { (void)eo::composed_gate(chains(1)); }).code == "invalid_argument");
}
