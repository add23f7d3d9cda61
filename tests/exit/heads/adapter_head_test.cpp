// SPDX-License-Identifier: MIT
#include <earlyout/exit/check_exits.hpp>
#include <earlyout/exit/heads/adapter_head.hpp>

#include <vector>

#include "exit/head_fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;

namespace {

constexpr std::size_t d = 36;
constexpr std::size_t rank = 5;
const eo::model_shape shape =
    eo::model_shape{.layers = 4, .d_model = d, .heads = 4, .vocab = 50, .context = 8}.completed();

eo::exit_weights weights_of(const std::vector<float>& down, const std::vector<float>& up) {
    eo::exit_weights made("file");
    made.set_model({4, d, 50, "0000000000000000", "f32"});
    if (!down.empty()) {
        made.set("adapter.3.down.weight", {rank, d}, down).set("adapter.3.up.weight", {d, rank}, up);
    }
    eo::check_exits(made);
    return made;
}

}  // namespace

TEST_CASE("an adapter adds a low-rank map of the state before the model's output", "[exit][adapter_head]") {
    support::random_source random(1);
    const std::vector<float> down = random.floats(rank * d), up = random.floats(d * rank), hidden = random.floats(d);
    const eo::adapter_head head(weights_of(down, up));
    head.check(shape);
    support::echo_output output(shape);
    const auto found = output.ask(head, 3, hidden, d);
    const auto added = support::plain_product(up, support::plain_product(down, hidden));
    for (std::size_t i = 0; i < d; ++i) REQUIRE_THAT(found[i], WithinAbs(hidden[i] + added[i], 1e-4));
    CHECK(output.calls == 1);
    CHECK(output.weight_bytes == head.bytes());
    CHECK(output.ask(head, 2, hidden, d) == hidden);
    CHECK(output.weight_bytes == head.bytes());  // it read no weights of its own
}

TEST_CASE("adapters refuse models that they do not fit", "[exit][adapter_head]") {
    CHECK(support::error_of([&] { (void)eo::adapter_head(weights_of({}, {})); }) ==
          support::thrown(eo::errc::missing_tensor, {"file", "'adapter.LAYER.down.weight'"}));
    const eo::adapter_head head(weights_of(std::vector<float>(rank * d), std::vector<float>(rank * d)));
    eo::model_shape other = shape;
    other.d_model = 40;
    CHECK(support::error_of([&] { head.check(other); }) ==
          support::thrown(eo::errc::mismatch, {"adapter_head", "36", "40"}));
}
