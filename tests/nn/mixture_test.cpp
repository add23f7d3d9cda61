// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/nn/mixture.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
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

constexpr std::size_t width = 24, wide = 40, shared_wide = 50, experts = 6, mixture_tokens = 33;

constexpr eo::mixture_shape shape_of(std::size_t active, bool shared,
                                     eo::expert_weighting weighting = eo::expert_weighting::softmax_of_chosen) {
    return {.d_model = width,
            .experts = experts,
            .active_experts = active,
            .d_expert = wide,
            .d_shared = shared ? shared_wide : 0,
            .gates_shared = shared,
            .weighting = weighting};
}

struct expert_weights {
    expert_weights(support::random_source& random, std::size_t inner)
        : gate(random.floats(inner * width, 0.3f)),
          up(random.floats(inner * width, 0.3f)),
          down(random.floats(width * inner, 0.3f)) {}

    std::vector<float> gate, up, down;
};

/// A mixture's weights, and what it computes by its definition.
struct mixture_weights {
    support::random_source random{11};
    std::vector<float> router = random.floats((experts + 1) * width, 0.4f);
    std::vector<expert_weights> of = [this] {
        std::vector<expert_weights> made;
        for (std::size_t e = 0; e < experts; ++e) made.emplace_back(random, wide);
        return made;
    }();
    expert_weights shared{random, shared_wide};
    std::vector<float> x = random.floats(mixture_tokens * width);

    template <class Format = eo::f32>
    [[nodiscard]] eo::mixture<Format> make(const eo::mixture_shape& shape) const {
        eo::mixture<Format> made(shape, eo::activation::silu);
        const auto fill = [](auto& into, const expert_weights& w, std::size_t inner) {
            into.gate_up().weight().set_rows(0, {w.gate.data(), inner, width});
            into.gate_up().weight().set_rows(into.up_row(), {w.up.data(), inner, width});
            into.down().weight().set_rows(0, {w.down.data(), width, inner});
        };
        if (shape.experts != 0) made.router().weight().set_rows(0, {router.data(), made.router().out(), width});
        for (std::size_t e = 0; e < shape.experts; ++e) fill(made.experts()[e], of[e], wide);
        if (made.shared()) fill(*made.shared(), shared, shape.d_shared);
        return made;
    }

    [[nodiscard]] reference::vector expected(std::size_t token, const eo::mixture_shape& shape) const {
        const auto input = std::span(x).subspan(token * width, width);
        const reference::vector logits = reference::linear(router, {}, input, experts + 1);
        const reference::vector all = reference::softmax({logits.begin(), logits.end() - 1});
        std::vector<std::size_t> order(experts);
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t e) { return logits[e]; });
        order.resize(shape.active_experts);
        double sum = 0.0;
        for (const std::size_t e : order) sum += all[e];
        reference::vector y(width);
        const auto add = [&](const expert_weights& w, std::size_t inner, double weight) {
            reference::vector hidden = reference::linear(w.gate, {}, input, inner);
            const reference::vector up = reference::linear(w.up, {}, input, inner);
            for (std::size_t i = 0; i < inner; ++i) hidden[i] = reference::silu(hidden[i]) * up[i];
            const reference::vector out = reference::linear(w.down, {}, hidden, width);
            for (std::size_t i = 0; i < width; ++i) y[i] += weight * out[i];
        };
        const bool of_all = shape.weighting == eo::expert_weighting::softmax_of_all;
        for (const std::size_t e : order) add(of[e], wide, of_all ? all[e] : all[e] / sum);
        if (shape.d_shared != 0) add(shared, shared_wide, 1.0 / (1.0 + std::exp(-logits[experts])));
        return y;
    }
};

/// Runs the tokens in blocks. @param active of each token in turn; 0: the mixture's own
template <class Format>
std::vector<float> run(const eo::mixture<Format>& layer, std::span<const float> x, std::size_t block,
                       const std::vector<std::size_t>& active = {0}, eo::executor& on = support::one_thread(),
                       eo::work_count* work = nullptr) {
    const std::size_t count = x.size() / width;
    eo::run_context context(support::scratch_of_part{&layer}, block, on);
    std::vector<eo::layer_token> tokens(count);
    for (std::size_t t = 0; t < count; ++t) tokens[t].active_experts = active[t % active.size()];
    std::vector<float> y(x.size(), 99.0f);
    for (std::size_t t = 0; t < count; t += block) {
        const std::size_t n = std::min(block, count - t);
        layer(std::span(tokens).subspan(t, n), {x.data() + t * width, n, width}, {y.data() + t * width, n, width},
              context);
    }
    if (work != nullptr) *work = context.work();
    return y;
}

}  // namespace

TEST_CASE("a mixture adds the outputs of the experts that a token chooses", "[nn][mixture]") {
    const mixture_weights w;
    const std::size_t active = GENERATE(1u, 2u, 5u, 6u);
    const bool shared = GENERATE(false, true);
    const auto weighting = GENERATE(eo::expert_weighting::softmax_of_all, eo::expert_weighting::softmax_of_chosen);
    const eo::mixture_shape shape = shape_of(active, shared, weighting);
    const std::vector<float> y = run(w.make(shape), w.x, mixture_tokens);
    for (std::size_t t = 0; t < mixture_tokens; ++t) {
        REQUIRE(reference::distance(std::span(y).subspan(t * width, width), w.expected(t, shape)) < 2e-5);
    }
    // The same number for each token alone, in place of the mixture's own.
    CHECK(support::same_bits(run(w.make(shape_of(3, shared, weighting)), w.x, mixture_tokens, {active}), y));
}

TEMPLATE_TEST_CASE("mixtures: neither blocks nor threads nor neighbours change a bit", "[nn][mixture]", eo::f32,
                   eo::int8) {
    const mixture_weights w;
    const auto layer = w.make<TestType>(shape_of(2, true));
    const std::vector<std::size_t> active{0, 1, 6, 3, 0};
    const std::vector<float> alone = run(layer, w.x, 1, active);
    eo::thread_pool pool(3);
    for (const std::size_t block : {2u, 5u, 33u}) {
        CHECK(support::same_bits(run(layer, w.x, block, active), alone));
        CHECK(support::same_bits(run(layer, w.x, block, active, pool), alone));
    }
}

TEST_CASE("of equal logits the expert of the lower index is chosen", "[nn][mixture]") {
    mixture_weights w;
    std::fill(w.router.begin(), w.router.begin() + experts * width, 0.0f);
    const std::vector<float> y = run(w.make(shape_of(2, false)), w.x, mixture_tokens);
    mixture_weights first = w;
    // Experts 0 and 1, each with half the weight, whatever the others are.
    for (std::size_t e = 2; e < experts; ++e) std::ranges::fill(first.of[e].down, 99.0f);
    CHECK(support::same_bits(run(first.make(shape_of(2, false)), w.x, mixture_tokens), y));
    CHECK(reference::distance(std::span(y).first(width), w.expected(0, shape_of(2, false))) < 2e-5);
}

TEST_CASE("a mixture without experts is its shared expert", "[nn][mixture]") {
    const mixture_weights w;
    const eo::mixture_shape dense{.d_model = width, .d_shared = shared_wide};
    const auto layer = w.make(dense);
    eo::run_context context(support::scratch_of_part{&*w.make(dense).shared()}, mixture_tokens, support::one_thread());
    std::vector<float> y(w.x.size());
    auto same = w.make(dense);
    (*same.shared())({w.x.data(), mixture_tokens, width}, {y.data(), mixture_tokens, width}, context);
    CHECK(support::same_bits(run(layer, w.x, mixture_tokens), y));
    CHECK(layer.bytes() == same.shared()->bytes());
    CHECK(layer.stored_bytes() == layer.bytes());
}

TEST_CASE("a block reads each expert that a token chose once, and no other", "[nn][mixture]") {
    const mixture_weights w;
    const auto layer = w.make(shape_of(2, true));
    auto parts = w.make(shape_of(2, true));
    const std::size_t expert = parts.experts()[0].bytes();
    const std::size_t always = parts.router().bytes() + parts.shared()->bytes();
    eo::work_count work;
    (void)run(layer, std::span(w.x).first(width), 1, {0}, support::one_thread(), &work);
    CHECK(work.weight_bytes == always + 2 * expert);
    CHECK(work.weight_bytes == layer.bytes());
    CHECK(layer.stored_bytes() == always + experts * expert);
    (void)run(layer, std::span(w.x).first(width), 1, {5}, support::one_thread(), &work);
    CHECK(work.weight_bytes == always + 5 * expert);
    // All tokens alike choose alike.
    std::vector<float> alike;
    for (int i = 0; i < 9; ++i) alike.insert(alike.end(), w.x.begin(), w.x.begin() + width);
    (void)run(layer, alike, 9, {0}, support::one_thread(), &work);
    CHECK(work.weight_bytes == always + 2 * expert);
    (void)run(layer, w.x, mixture_tokens, {0}, support::one_thread(), &work);
    CHECK(work.weight_bytes == always + experts * expert);
}

TEST_CASE("a state that is not a number stays with its token", "[nn][mixture]") {
    mixture_weights w;
    const std::vector<float> before = run(w.make(shape_of(2, true)), w.x, mixture_tokens);
    w.x[3 * width] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> y = run(w.make(shape_of(2, true)), w.x, mixture_tokens);
    CHECK(std::isnan(y[3 * width]));
    CHECK(support::same_bits(std::span(y).first(3 * width), std::span(before).first(3 * width)));
    CHECK(support::same_bits(std::span(y).subspan(4 * width), std::span(before).subspan(4 * width)));
}

TEST_CASE("a mixture visits its matrices in the order of its parts", "[nn][mixture]") {
    const mixture_weights w;
    std::vector<std::size_t> rows;
    w.make(shape_of(2, true)).visit_matrices([&](std::span<const std::string>, const eo::packed_weights& matrix) {
        rows.push_back(matrix.out);
    });
    CHECK(rows.size() == 1 + 2 + 2 * experts);
    CHECK(std::vector(rows.begin(), rows.begin() + 4) ==
          std::vector<std::size_t>{experts + 1, 64 + shared_wide, width, 64 + wide});
}
