// SPDX-License-Identifier: MIT
#include <earlyout/exit/heads/own_head.hpp>

#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/kernels/any_format.hpp>

#include <vector>

#include "exit/head_fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;

namespace {

constexpr std::size_t width = 36;
constexpr std::size_t vocab = 101;
const eo::model_shape own_shape =
    eo::model_shape{.layers = 4, .d_model = width, .heads = 4, .vocab = vocab, .context = 8}.completed();

eo::exit_weights own_weights(const std::vector<float>& second, const std::vector<float>& third) {
    eo::exit_weights made;
    made.set_model({4, width, vocab, "0000000000000000", "f32"});
    made.set("head.2.weight", {vocab, width}, second).set("head.3.weight", {vocab, width}, third);
    made.set("head.3.bias", {vocab}, std::vector<float>(vocab, 0.5f));
    return made;
}

}  // namespace

TEST_CASE("an exit applies its own matrix to the raw state, others the model's", "[exit][own_head]") {
    support::random_source random(1);
    const std::vector<float> second = random.floats(vocab * width), third = random.floats(vocab * width);
    const eo::own_head head(own_weights(second, third));  // the exits are destroyed before it is evaluated
    head.check(own_shape);
    const std::vector<float> hidden = random.floats(width);
    support::echo_output output(own_shape);
    const auto after_second = output.ask(head, 2, hidden, vocab);
    const auto after_third = output.ask(head, 3, hidden, vocab);
    CHECK(output.calls == 0);
    CHECK(output.weight_bytes == head.bytes());
    CHECK(head.bytes() == 2 * (128 * width + vocab) * sizeof(float));  // whole panels of 32 rows
    const auto expected = support::plain_product(second, hidden);
    const auto with_bias = support::plain_product(third, hidden);
    for (std::size_t i = 0; i < vocab; ++i) {
        REQUIRE_THAT(after_second[i], WithinAbs(expected[i], 1e-4));
        REQUIRE_THAT(after_third[i], WithinAbs(with_bias[i] + 0.5f, 1e-4));
    }
    CHECK(output.ask(head, 1, hidden, vocab)[1] == hidden[1]);
    CHECK(output.ask(head, 4, hidden, vocab)[width] == hidden[0]);
    CHECK(output.calls == 2);
}

TEST_CASE("heads in narrower formats compute nearly the same logits", "[exit][own_head]") {
    support::random_source random(2);
    const std::vector<float> second = random.floats(vocab * width), third = random.floats(vocab * width);
    const eo::exit_weights exits = own_weights(second, third);
    const eo::own_head<eo::any_format> head(exits, eo::any_format("int8"));
    CHECK(2 * head.bytes() < eo::own_head(exits).bytes());
    const std::vector<float> hidden = random.floats(width);
    support::echo_output output(own_shape);
    const auto found = output.ask(head, 2, hidden, vocab);
    const auto expected = support::plain_product(second, hidden);
    for (std::size_t i = 0; i < vocab; ++i) REQUIRE_THAT(found[i], WithinAbs(expected[i], 0.35));
}

TEST_CASE("own heads refuse models that they do not fit", "[exit][own_head]") {
    eo::exit_weights none("file");
    none.set_model({4, width, vocab, "", "f32"});
    CHECK(support::error_of([&] { (void)eo::own_head(none); }) ==
          support::thrown(eo::errc::missing_tensor, {"file", "'head.LAYER.weight'"}));
    const eo::own_head head(own_weights(std::vector<float>(vocab * width), std::vector<float>(vocab * width)));
    eo::model_shape other = own_shape;
    other.vocab = 100;
    CHECK(support::error_of([&] { head.check(other); }) ==
          support::thrown(eo::errc::mismatch, {"own_head", "101", "100"}));
    other = own_shape;
    other.layers = 2;
    CHECK(support::error_of([&] { head.check(other); }) == support::thrown(eo::errc::mismatch, {"3 layers"}));
}
