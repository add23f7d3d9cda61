// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_head.hpp>
#include <earlyout/exit/heads/shared_head.hpp>

#include <earlyout/exit/heads/adapter_head.hpp>

#include <vector>

#include "exit/head_fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;

TEST_CASE("any_head computes the logits of the head it holds, and fits the same models", "[exit][any_head]") {
    const eo::model_shape small_shape =
        eo::model_shape{.layers = 2, .d_model = 8, .heads = 2, .vocab = 9, .context = 4}.completed();
    support::random_source random(3);
    eo::exit_weights exits;
    exits.set_model({2, 8, 9, "", "f32"});
    exits.set("adapter.1.down.weight", {2, 8}, random.floats(16)).set("adapter.1.up.weight", {8, 2}, random.floats(16));
    const eo::adapter_head adapter(exits);
    const eo::any_head any(adapter);
    const std::vector<float> hidden = random.floats(8);
    support::echo_output output(small_shape);
    CHECK(output.ask(any, 1, hidden, 9) == output.ask(adapter, 1, hidden, 9));
    CHECK(output.ask(eo::any_head(), 1, hidden, 9) == output.ask(eo::shared_head{}, 1, hidden, 9));
    CHECK(output.ask(any, 1, hidden, 9) != output.ask(eo::any_head(), 1, hidden, 9));
    eo::model_shape other = small_shape;
    other.d_model = 10;
    CHECK(any.scratch_bytes(3) == adapter.scratch_bytes(3));
    CHECK(eo::any_head().scratch_bytes(3) == 0);
    CHECK_NOTHROW(eo::any_head().check(other));
    CHECK(support::error_of([&] { any.check(other); }).code == to_string(eo::errc::mismatch));
    static_assert(eo::exit_head<eo::any_head> && eo::exit_head<eo::adapter_head<>>);
}
