// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/nn/feed_forward.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/forward_pass.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace eo = earlyout;
namespace reference = support::reference;

namespace {

constexpr std::size_t d = 20, inner = 300, feed_tokens = 70;
constexpr eo::model_shape small{.layers = 1, .d_model = d, .heads = 2, .kv_heads = 2, .head_dim = 10, .d_ff = inner};

struct weights {
    support::random_source random{1};
    std::vector<float> up = random.floats(inner * d, 0.3f);
    std::vector<float> up_bias = random.floats(inner, 0.3f);
    std::vector<float> down = random.floats(d * inner, 0.1f);
    std::vector<float> down_bias = random.floats(d);
    std::vector<float> x = random.floats(feed_tokens * d);
};

template <class FeedForward>
std::vector<float> run(FeedForward layer, const weights& w, eo::executor& on) {
    layer.up().weight().set_rows(0, {w.up.data(), inner, d});
    layer.down().weight().set_rows(0, {w.down.data(), d, inner});
    std::copy(w.up_bias.begin(), w.up_bias.end(), layer.up().bias().begin());
    std::copy(w.down_bias.begin(), w.down_bias.end(), layer.down().bias().begin());
    eo::run_context context(support::scratch_of_part{&layer}, feed_tokens, on);
    std::vector<float> y(feed_tokens * d, 99.0f);
    layer({w.x.data(), feed_tokens, d}, {y.data(), feed_tokens, d}, context);
    return y;
}

}  // namespace

TEST_CASE("feed-forward is two linear maps with an activation between", "[nn][feed_forward]") {
    using function = double (*)(double);
    const auto [kind, f] = GENERATE(table<eo::activation, function>({{eo::activation::gelu_tanh, reference::gelu_tanh},
                                                                     {eo::activation::gelu_erf, reference::gelu_erf},
                                                                     {eo::activation::relu, reference::relu},
                                                                     {eo::activation::silu, reference::silu}}));
    const weights w;
    const std::vector<float> y = run(eo::feed_forward<>(small, kind), w, support::one_thread());
    for (std::size_t t = 0; t < feed_tokens; ++t) {
        reference::vector hidden = reference::linear(w.up, w.up_bias, std::span(w.x).subspan(t * d, d), inner);
        for (double& value : hidden) value = f(value);
        const reference::vector expected = reference::linear(w.down, w.down_bias, hidden, d);
        REQUIRE(reference::distance(std::span(y).subspan(t * d, d), expected) < 2e-5);
    }
}

TEST_CASE("a gated feed-forward multiplies two products", "[nn][feed_forward]") {
    eo::model_shape shape = small;
    shape.gated = true;
    const weights w;
    const std::vector<float> gate = support::random_source(5).floats(inner * d, 0.3f);
    eo::gated_feed_forward<> layer(shape, eo::activation::silu);
    CHECK(layer.up_row() == 320);  // 300 rounded up to whole panels
    layer.gate_up().weight().set_rows(0, {gate.data(), inner, d});
    layer.gate_up().weight().set_rows(layer.up_row(), {w.up.data(), inner, d});
    std::copy(w.up_bias.begin(), w.up_bias.end(), layer.gate_up().bias().begin() + 320);
    layer.down().weight().set_rows(0, {w.down.data(), d, inner});
    std::copy(w.down_bias.begin(), w.down_bias.end(), layer.down().bias().begin());
    CHECK(layer.bytes() == 4 * (640 * d + 620 + 32 * inner + d));

    const auto run_on = [&](eo::executor& on, std::size_t block) {
        eo::run_context context(support::scratch_of_part{&layer}, block, on);
        std::vector<float> y(feed_tokens * d, 99.0f);
        for (std::size_t t = 0; t < feed_tokens; t += block) {
            layer({w.x.data() + t * d, block, d}, {y.data() + t * d, block, d}, context);
        }
        return y;
    };
    const std::vector<float> y = run_on(support::one_thread(), feed_tokens);
    for (std::size_t t = 0; t < feed_tokens; ++t) {
        const auto x = std::span(w.x).subspan(t * d, d);
        reference::vector hidden = reference::linear(gate, std::vector<float>(inner), x, inner);
        const reference::vector up = reference::linear(w.up, w.up_bias, x, inner);
        for (std::size_t i = 0; i < inner; ++i) hidden[i] = reference::silu(hidden[i]) * up[i];
        const reference::vector expected = reference::linear(w.down, w.down_bias, hidden, d);
        REQUIRE(reference::distance(std::span(y).subspan(t * d, d), expected) < 5e-5);
    }
    eo::thread_pool pool(3);
    CHECK(support::same_bits(run_on(pool, feed_tokens), y));
    CHECK(support::same_bits(run_on(support::one_thread(), 1), y));
}

TEST_CASE("gpt-oss's gated feed-forward limits both products", "[nn][feed_forward]") {
    eo::model_shape shape = small;
    shape.gated = true;
    const weights w;
    const std::vector<float> gate = support::random_source(6).floats(inner * d, 3.0f);
    const std::vector<float> up = support::random_source(7).floats(inner * d, 3.0f);
    eo::gated_feed_forward<> layer(shape, eo::activation::clamped_swish);
    layer.gate_up().weight().set_rows(0, {gate.data(), inner, d});
    layer.gate_up().weight().set_rows(layer.up_row(), {up.data(), inner, d});
    layer.down().weight().set_rows(0, {w.down.data(), d, inner});
    eo::run_context context(support::scratch_of_part{&layer}, feed_tokens, support::one_thread());
    std::vector<float> y(feed_tokens * d);
    layer({w.x.data(), feed_tokens, d}, {y.data(), feed_tokens, d}, context);
    for (std::size_t t = 0; t < feed_tokens; ++t) {
        const auto x = std::span(w.x).subspan(t * d, d);
        reference::vector hidden = reference::linear(gate, {}, x, inner);
        const reference::vector other = reference::linear(up, {}, x, inner);
        for (std::size_t i = 0; i < inner; ++i) {
            const double g = std::min(hidden[i], 7.0);
            hidden[i] = (std::clamp(other[i], -7.0, 7.0) + 1.0) * g / (1.0 + std::exp(-1.702 * g));
        }
        const reference::vector expected = reference::linear(w.down, {}, hidden, d);
        REQUIRE(reference::distance(std::span(y).subspan(t * d, d), expected) < 5e-4);
    }
}

TEST_CASE("feed-forward: threads and compiled sizes do not change a bit", "[nn][feed_forward]") {
    const weights w;
    eo::thread_pool pool(3);
    const std::vector<float> y = run(eo::feed_forward<>(small, eo::activation::gelu_tanh), w, support::one_thread());
    CHECK(support::same_bits(run(eo::feed_forward<>(small, eo::activation::gelu_tanh), w, pool), y));
    CHECK(support::same_bits(run(eo::feed_forward<eo::f32, small>(small, eo::activation::gelu_tanh), w, pool), y));
}

TEST_CASE("feed-forward counts both matrices", "[nn][feed_forward]") {
    CHECK(eo::feed_forward<>(small, eo::activation::relu).bytes() == 4 * (320 * d + inner + 32 * inner + d));
}
