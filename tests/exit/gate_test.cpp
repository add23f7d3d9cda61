// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gates/combinators.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/generate/session.hpp>

#include <random>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using support::policy;

namespace {

auto margin_above(float threshold) {
    return eo::make_gate<eo::signal::margin>(
        [threshold](const auto& s) { return s.margin() >= threshold ? eo::decision::exit : eo::decision::go_on; });
}

}  // namespace

TEST_CASE("a lambda with its signals is a gate", "[exit][gate]") {
    using made = decltype(margin_above(0.0f));
    static_assert(eo::gate<made>);
    static_assert(made::signals == eo::signal_set(eo::signal::margin));
    static_assert(eo::gate<decltype(eo::make_gate<eo::no_signals>([](const auto&) { return eo::decision::go_on; }))>);

    std::mt19937 engine(1);
    const support::ids prompt = support::random_prompt(engine, 12);
    eo::session expected{support::small_network(), policy(eo::margin{0.05f}, eo::defer{})};
    const eo::completion wanted = expected.complete(prompt, {.max_new_tokens = 20});
    CHECK(wanted.stats.mean_exit_layer() < 6.0);
    const auto same = [&](auto gate) {
        eo::session s{support::small_network(), policy(gate, eo::defer{})};
        CHECK(support::same_output(s.complete(prompt, {.max_new_tokens = 20}), wanted));
    };
    same(margin_above(0.05f));
    same(eo::any_gate(margin_above(0.05f)));
    same(eo::any_of(margin_above(0.05f), margin_above(1.5f)));
    auto assigned = margin_above(2.0f);
    assigned = margin_above(0.05f);
    same(assigned);
}
