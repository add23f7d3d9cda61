// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/nn/attention.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/forward_pass.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace eo = earlyout;
namespace reference = support::reference;

namespace {

constexpr float scale = 0.4f;

/// Weights of one attention layer, and their result by the definition.
struct example {
    explicit example(const eo::model_shape& s) : shape(s) {
        query_bias = random.floats(s.d_query());
        key_bias = random.floats(s.d_kv());
        value_bias = random.floats(s.d_kv());
        output_bias = random.floats(s.d_model);
    }

    template <class Attention, class... Further>
    Attention make(const Further&... further) const {
        Attention made(shape, scale, {}, nullptr, further...);
        auto& qkv = made.query_key_value();
        const auto set = [&](std::size_t row, const std::vector<float>& weight, const std::vector<float>& bias) {
            qkv.weight().set_rows(row, {weight.data(), bias.size(), shape.d_model});
            std::copy(bias.begin(), bias.end(), qkv.bias().begin() + static_cast<std::ptrdiff_t>(row));
        };
        set(0, query, query_bias);
        set(made.key_row(), key, key_bias);
        set(made.value_row(), value, value_bias);
        made.output().weight().set_rows(0, {output.data(), shape.d_model, shape.d_query()});
        std::copy(output_bias.begin(), output_bias.end(), made.output().bias().begin());
        return made;
    }

    /// x: one row per token. Each token sees the tokens at its own position and before, in a window if there is one.
    std::vector<reference::vector> expected(std::span<const float> x, std::span<const std::size_t> positions,
                                            std::size_t window = 0) const {
        const std::size_t n = positions.size(), hd = shape.head_dim, group = shape.heads / shape.kv_heads;
        std::vector<reference::vector> q, k, v, out;
        for (std::size_t t = 0; t < n; ++t) {
            const auto row = x.subspan(t * shape.d_model, shape.d_model);
            q.push_back(reference::linear(query, query_bias, row, shape.d_query()));
            k.push_back(reference::linear(key, key_bias, row, shape.d_kv()));
            v.push_back(reference::linear(value, value_bias, row, shape.d_kv()));
        }
        const auto part = [&](const reference::vector& of, std::size_t head) {
            return reference::vector(of.begin() + static_cast<std::ptrdiff_t>(head * hd),
                                     of.begin() + static_cast<std::ptrdiff_t>((head + 1) * hd));
        };
        for (std::size_t t = 0; t < n; ++t) {
            reference::vector mixed;
            for (std::size_t head = 0; head < shape.heads; ++head) {
                std::vector<reference::vector> keys, values;
                for (std::size_t other = 0; other < n; ++other) {
                    if (positions[other] > positions[t]) continue;
                    if (window != 0 && positions[other] + window <= positions[t]) continue;
                    keys.push_back(part(k[other], head / group));
                    values.push_back(part(v[other], head / group));
                }
                const auto one = reference::attend(part(q[t], head), keys, values, double{scale});
                mixed.insert(mixed.end(), one.begin(), one.end());
            }
            out.push_back(reference::linear(output, output_bias, mixed, shape.d_model));
        }
        return out;
    }

    eo::model_shape shape;
    support::random_source random{1};
    std::vector<float> query = random.floats(shape.d_query() * shape.d_model, 0.5f);
    std::vector<float> key = random.floats(shape.d_kv() * shape.d_model, 0.5f);
    std::vector<float> value = random.floats(shape.d_kv() * shape.d_model, 0.5f);
    std::vector<float> output = random.floats(shape.d_model * shape.d_query(), 0.3f);
    std::vector<float> query_bias, key_bias, value_bias, output_bias;
};

std::vector<std::size_t> first_positions(std::size_t count) {
    std::vector<std::size_t> all(count);
    std::iota(all.begin(), all.end(), std::size_t{0});
    return all;
}

/// Runs all tokens through a fresh cache, `block` at a time.
template <class Attention>
std::vector<float> run(const Attention& layer, const eo::model_shape& s, std::span<const float> x,
                       std::span<const std::size_t> positions, std::size_t block, eo::executor& on) {
    eo::kv_cache cache(s, positions.size());
    eo::run_context context(layer, block, on);
    std::vector<float> y(x.size());
    for (std::size_t at = 0; at < positions.size(); at += block) {
        const std::size_t count = std::min(block, positions.size() - at);
        std::vector<eo::layer_token> tokens;
        for (std::size_t i = 0; i < count; ++i) tokens.push_back({&cache, positions[at + i], nullptr});
        layer(1, tokens, {x.data() + at * s.d_model, count, s.d_model}, {y.data() + at * s.d_model, count, s.d_model},
              context);
    }
    return y;
}

eo::model_shape shape_of(std::size_t d_model, std::size_t heads, std::size_t kv_heads, std::size_t head_dim) {
    return {.layers = 1, .d_model = d_model, .heads = heads, .kv_heads = kv_heads, .head_dim = head_dim, .d_ff = 1};
}

double worst(std::span<const float> found, const std::vector<reference::vector>& expected) {
    double largest = 0.0;
    const std::size_t d = expected[0].size();
    for (std::size_t t = 0; t < expected.size(); ++t) {
        largest = std::max(largest, reference::distance(found.subspan(t * d, d), expected[t]));
    }
    return largest;
}

}  // namespace

TEST_CASE("attention mixes the values visible to a token", "[nn][attention]") {
    const eo::model_shape s = GENERATE(shape_of(20, 5, 5, 4), shape_of(24, 1, 1, 24), shape_of(21, 3, 3, 7),
                                       shape_of(33, 4, 2, 16),  // two query heads share a key head
                                       shape_of(16, 6, 1, 5));  // all do, and heads do not add up to d_model
    const example made(s);
    support::random_source random(2);
    const auto positions = first_positions(37);
    const std::vector<float> x = random.floats(positions.size() * s.d_model);
    const auto layer = made.make<eo::self_attention<>>();
    const std::vector<float> y = run(layer, s, x, positions, 37, support::one_thread());
    CHECK(worst(y, made.expected(x, positions)) < 1e-4);
    CHECK(support::same_bits(run(layer, s, x, positions, 5, support::one_thread()), y));
    CHECK(support::same_bits(run(layer, s, x, positions, 1, support::one_thread()), y));
    eo::thread_pool pool(3);
    CHECK(support::same_bits(run(layer, s, x, positions, 37, pool), y));
}

TEST_CASE("tokens may be missing from the cache", "[nn][attention]") {
    const eo::model_shape s = shape_of(20, 5, 5, 4);
    const example made(s);
    const std::vector<std::size_t> positions{0, 1, 5, 6, 7, 20, 21, 40};
    const std::vector<float> x = support::random_source(3).floats(positions.size() * s.d_model);
    const auto layer = made.make<eo::self_attention<>>();
    CHECK(worst(run(layer, s, x, positions, 3, support::one_thread()), made.expected(x, positions)) < 1e-4);
}

TEST_CASE("large scores do not overflow", "[nn][attention]") {
    const eo::model_shape s = shape_of(20, 5, 5, 4);
    example made(s);
    for (float& value : made.query) value *= 300.0f;
    for (float& value : made.key) value *= 300.0f;
    const auto positions = first_positions(20);
    const std::vector<float> x = support::random_source(4).floats(positions.size() * s.d_model);
    const std::vector<float> y = run(made.make<eo::self_attention<>>(), s, x, positions, 8, support::one_thread());
    CHECK(std::ranges::all_of(y, [](float value) { return std::isfinite(value); }));
}

TEST_CASE("attention with compiled sizes gives the same bits", "[nn][attention]") {
    constexpr eo::model_shape s{.layers = 1, .d_model = 21, .heads = 3, .kv_heads = 3, .head_dim = 7, .d_ff = 1};
    const example made(s);
    const auto positions = first_positions(30);
    const std::vector<float> x = support::random_source(5).floats(positions.size() * s.d_model);
    const auto y = run(made.make<eo::self_attention<>>(), s, x, positions, 4, support::one_thread());
    const auto fixed = made.make<eo::self_attention<eo::f32, s>>();
    CHECK(support::same_bits(run(fixed, s, x, positions, 4, support::one_thread()), y));
}

TEST_CASE("update_kv_only reads only the rows of keys and values", "[nn][attention]") {
    const eo::model_shape s = shape_of(40, 10, 5, 4);
    const example made(s);
    auto layer = made.make<eo::self_attention<>>();
    CHECK(layer.key_row() == 64);  // 40 rounded up to whole groups of rows
    CHECK(layer.value_row() == 84);
    CHECK(layer.update_kv_bytes() == 4 * (64 * 40 + 40));
    CHECK(layer.bytes() == 4 * (128 * 40 + 104) + 4 * (64 * 40 + 40));

    const auto positions = first_positions(9);
    const std::vector<float> x = support::random_source(6).floats(9 * s.d_model);
    eo::kv_cache ran(s, 9), filled(s, 9);
    eo::run_context context(layer, 9, support::one_thread());
    std::vector<float> y(x.size());
    std::vector<eo::layer_token> a, b;
    for (const std::size_t p : positions) {
        a.push_back({&ran, p, nullptr});
        b.push_back({&filled, p, nullptr});
    }
    layer(1, a, {x.data(), 9, s.d_model}, {y.data(), 9, s.d_model}, context);
    layer.update_kv_only(1, b, {x.data(), 9, s.d_model}, context);
    REQUIRE(filled.length(1) == 9);
    for (std::size_t head = 0; head < 5; ++head) {
        const std::size_t size = 16 * 4;  // the one block of 16 keys
        CHECK(support::same_bits(std::span(ran.keys(1, head), size), std::span(filled.keys(1, head), size)));
        CHECK(support::same_bits(std::span(ran.values(1, head), 9 * ran.value_stride()),
                                 std::span(filled.values(1, head), 9 * ran.value_stride())));
    }
}

TEST_CASE("a window limits what a token sees", "[nn][attention]") {
    const eo::model_shape s = shape_of(20, 5, 5, 4);
    const example made(s);
    const std::vector<std::size_t> positions{0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 40};
    const std::vector<float> x = support::random_source(8).floats(positions.size() * s.d_model);
    for (const std::size_t window : {1u, 3u, 17u, 100u}) {
        const auto layer = made.make<eo::self_attention<>>(eo::no_positions{}, window);
        const std::vector<float> y = run(layer, s, x, positions, 20, support::one_thread());
        CHECK(worst(y, made.expected(x, positions, window)) < 1e-4);
        CHECK(support::same_bits(run(layer, s, x, positions, 1, support::one_thread()), y));
    }
}

TEST_CASE("tokens of several sequences attend to their own sequence", "[nn][attention]") {
    const eo::model_shape s = shape_of(33, 6, 2, 7);
    const auto layer = example(s).make<eo::self_attention<>>();
    constexpr std::size_t lengths[] = {5, 1, 23};
    const std::vector<float> x = support::random_source(10).floats((5 + 1 + 23) * s.d_model);
    std::vector<float> y(x.size()), alone;
    std::vector<eo::kv_cache> caches;
    for (int i = 0; i < 3; ++i) caches.emplace_back(s, 23);
    std::vector<eo::layer_token> tokens;
    std::size_t at = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        const std::vector<float> text(x.begin() + static_cast<std::ptrdiff_t>(at * s.d_model),
                                      x.begin() + static_cast<std::ptrdiff_t>((at + lengths[i]) * s.d_model));
        const auto one = run(layer, s, text, first_positions(lengths[i]), 23, support::one_thread());
        alone.insert(alone.end(), one.begin(), one.end());
        for (std::size_t p = 0; p < lengths[i]; ++p) tokens.push_back({&caches[i], p, nullptr});
        at += lengths[i];
    }
    eo::thread_pool pool(2);
    for (eo::executor* on : {static_cast<eo::executor*>(&support::one_thread()), static_cast<eo::executor*>(&pool)}) {
        for (eo::kv_cache& cache : caches) cache.truncate(0);
        eo::run_context context(layer, tokens.size(), *on);
        layer(1, tokens, {x.data(), tokens.size(), s.d_model}, {y.data(), tokens.size(), s.d_model}, context);
        CHECK(support::same_bits(y, alone));
    }
}

namespace {

/// Makes changes to queries and keys easy to see: every query of position p is divided by p + 1.
struct slower_queries {
    void operator()(std::size_t position, float* queries, std::size_t heads, float* keys, std::size_t kv_heads,
                    std::size_t head_dim) const {
        for (std::size_t i = 0; i < heads * head_dim; ++i) queries[i] /= static_cast<float>(position + 1);
        for (std::size_t i = 0; i < kv_heads * head_dim; ++i) keys[i] *= 2.0f;
    }
    std::size_t bytes() const { return 7; }
};

}  // namespace

TEST_CASE("positions are applied to queries and keys before they are used", "[nn][attention]") {
    const eo::model_shape s = shape_of(33, 4, 2, 16);
    const example made(s);
    const auto positions = first_positions(1);
    const std::vector<float> x = support::random_source(9).floats(s.d_model);
    auto layer = made.make<eo::self_attention<eo::f32, eo::model_shape{}, slower_queries>>(slower_queries{});
    eo::kv_cache ran(s, 1), filled(s, 1), plain(s, 1);
    eo::run_context context(layer, 1, support::one_thread());
    std::vector<float> y(s.d_model);
    const auto token = [](eo::kv_cache& cache) { return std::vector<eo::layer_token>{{&cache, 0, nullptr}}; };
    layer(1, token(ran), {x.data(), 1, s.d_model}, {y.data(), 1, s.d_model}, context);
    layer.update_kv_only(1, token(filled), {x.data(), 1, s.d_model}, context);
    made.make<eo::self_attention<>>().update_kv_only(1, token(plain), {x.data(), 1, s.d_model}, context);
    for (std::size_t k = 0; k < 16; ++k) {
        CHECK(ran.keys(1, 1)[k * 16] == 2.0f * plain.keys(1, 1)[k * 16]);
        CHECK(filled.keys(1, 1)[k * 16] == ran.keys(1, 1)[k * 16]);
    }
    CHECK(layer.bytes() == made.make<eo::self_attention<>>().bytes() + 7);
}
