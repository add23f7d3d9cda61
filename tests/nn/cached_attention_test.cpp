// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/nn/cached_attention.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/forward_pass.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace eo = earlyout;

namespace {

struct heads_of {
    std::size_t heads, kv_heads, head_dim;
    eo::model_shape shape() const {
        return {.layers = 1, .d_model = 1, .heads = heads, .kv_heads = kv_heads, .head_dim = head_dim, .d_ff = 1};
    }
};

/// A cache of `entries` random entries with a gap of 5 positions after every 100.
eo::kv_cache filled(const heads_of& of, std::size_t entries, eo::kv_format stored, support::random_source& random) {
    eo::kv_cache cache(of.shape(), entries, stored);
    for (std::size_t i = 0; i < entries; ++i) {
        const auto key = random.floats(of.kv_heads * of.head_dim), value = random.floats(of.kv_heads * of.head_dim);
        cache.append(1, i + i / 100 * 5, key.data(), value.data());
    }
    return cache;
}

/// The last `count` entries' tokens.
std::vector<eo::layer_token> last_tokens(eo::kv_cache& cache, std::size_t count) {
    std::vector<eo::layer_token> tokens;
    for (std::size_t i = cache.length(1) - count; i < cache.length(1); ++i) {
        tokens.push_back({&cache, cache.position(1, i), nullptr});
    }
    return tokens;
}

std::vector<float> attend(const heads_of& of, std::span<const eo::layer_token> tokens,
                          const std::vector<float>& queries, std::size_t window, eo::executor& on,
                          const std::vector<float>& sinks = {}) {
    const eo::cached_attention<eo::dynamic> attention(of.heads, of.kv_heads, eo::extent<>(of.head_dim), 0.3f, window,
                                                      0.0f, sinks);
    struct layers {
        const eo::cached_attention<eo::dynamic>& one;
        std::size_t scratch_bytes(std::size_t, std::size_t pieces) const { return one.scratch_bytes(pieces); }
    };
    eo::run_context context(layers{attention}, tokens.size(), on);
    std::vector<float> out(queries.size(), NAN);
    const std::size_t d = of.heads * of.head_dim;
    attention(1, tokens, {queries.data(), tokens.size(), d}, {out.data(), tokens.size(), d}, context);
    CHECK(context.scratch().used() == 0);
    CHECK(context.work().weight_bytes == sinks.size() * sizeof(float));
    return out;
}

}  // namespace

TEST_CASE("long caches are attended to by their definition, by any number of threads", "[nn][attention][arithmetic]") {
    support::random_source random(1);
    const heads_of of = GENERATE(heads_of{6, 1, 20}, heads_of{14, 2, 4}, heads_of{40, 1, 3}, heads_of{2, 2, 7});
    const std::size_t window = GENERATE(0u, 700u);
    const std::size_t d = of.heads * of.head_dim;
    for (const std::size_t entries : {511u, 512u, 513u, 1500u, 2600u}) {
        eo::kv_cache cache = filled(of, entries, {}, random);
        for (const std::size_t count : {1u, 3u, 8u, 9u}) {
            const auto tokens = last_tokens(cache, count);
            const std::vector<float> queries = random.floats(count * d, 2.0f);
            const std::vector<float> one = attend(of, tokens, queries, window, support::one_thread());
            INFO(of.heads << " heads, " << entries << " entries, " << count << " tokens, window " << window);
            for (const std::size_t threads : {2u, 3u, 7u}) {
                eo::thread_pool pool(threads);
                REQUIRE(support::same_bits(attend(of, tokens, queries, window, pool), one));
            }
            // Each token alone, and one of its heads by the definition.
            for (std::size_t t = 0; t < count; ++t) {
                const std::vector<float> query(queries.begin() + static_cast<std::ptrdiff_t>(t * d),
                                               queries.begin() + static_cast<std::ptrdiff_t>((t + 1) * d));
                eo::thread_pool pool(2);
                const auto alone = attend(of, std::span(tokens).subspan(t, 1), query, window, pool);
                REQUIRE(support::same_bits(alone, std::span(one).subspan(t * d, d)));
            }
            const std::size_t head = of.heads - 1, kv_head = of.kv_heads - 1;
            std::vector<support::reference::vector> keys, values;
            for (std::size_t i = cache.hidden(1, tokens[0].position, window); i < cache.visible(1, tokens[0].position);
                 ++i) {
                auto& key = keys.emplace_back();
                auto& value = values.emplace_back();
                constexpr std::size_t length = eo::kernels::score_stretch;
                const std::size_t at = i % length;
                for (std::size_t k = 0; k < of.head_dim; ++k) {
                    key.push_back(cache.keys(1, kv_head, i / length)[(at / 16 * of.head_dim + k) * 16 + at % 16]);
                    value.push_back(cache.values(1, kv_head, i / length)[at * cache.value_stride() + k]);
                }
            }
            const support::reference::vector query(queries.begin() + static_cast<std::ptrdiff_t>(head * of.head_dim),
                                                   queries.begin() + static_cast<std::ptrdiff_t>(d));
            const auto expected = support::reference::attend(query, keys, values, double{0.3f});
            CHECK(support::reference::distance(std::span(one).subspan(head * of.head_dim, of.head_dim), expected) <
                  1e-4);
        }
    }
}

TEMPLATE_TEST_CASE("a very long cache is computed in rounds", "[nn][attention][arithmetic]", eo::f32, eo::f16,
                   eo::int8) {
    support::random_source random(2);
    const heads_of of{3, 1, 5};
    eo::kv_cache cache = filled(of, 40 * eo::kernels::score_stretch + 17, TestType{}, random);
    for (const std::size_t count : {1u, 2u, 5u}) {
        const auto tokens = last_tokens(cache, count);
        const std::vector<float> queries = random.floats(count * 15);
        eo::thread_pool pool(2);
        CHECK(support::same_bits(attend(of, tokens, queries, 0, pool),
                                 attend(of, tokens, queries, 0, support::one_thread())));
    }
}

TEST_CASE("sequences of different lengths attend together", "[nn][attention][arithmetic]") {
    support::random_source random(3);
    const heads_of of{6, 2, 8};
    std::vector<eo::kv_cache> caches;
    for (const std::size_t entries : {3u, 1700u, 600u}) caches.push_back(filled(of, entries, {}, random));
    std::vector<eo::layer_token> tokens;
    for (eo::kv_cache& cache : caches) tokens.push_back(last_tokens(cache, 1)[0]);
    const std::vector<float> queries = random.floats(3 * 48);
    eo::thread_pool pool(3);
    const std::vector<float> together = attend(of, tokens, queries, 0, pool);
    for (std::size_t t = 0; t < 3; ++t) {
        const std::vector<float> query(queries.begin() + static_cast<std::ptrdiff_t>(t * 48),
                                       queries.begin() + static_cast<std::ptrdiff_t>((t + 1) * 48));
        const auto alone = attend(of, std::span(tokens).subspan(t, 1), query, 0, support::one_thread());
        CHECK(support::same_bits(alone, std::span(together).subspan(t * 48, 48)));
    }
}

TEMPLATE_TEST_CASE("sinks are in each head's sum, whoever computes it", "[nn][attention][arithmetic]", eo::f32,
                   eo::int8) {
    support::random_source random(4);
    const heads_of of = GENERATE(heads_of{6, 1, 20}, heads_of{4, 2, 8});
    const std::size_t window = GENERATE(0u, 5u, 700u), d = of.heads * of.head_dim;
    const std::vector<float> sinks = random.floats(of.heads, 3.0f);
    for (const std::size_t entries : {9u, 512u, 1700u}) {
        eo::kv_cache cache = filled(of, entries, TestType{}, random), other = filled(of, 40, TestType{}, random);
        auto tokens = last_tokens(cache, 3);
        tokens.push_back(last_tokens(other, 1)[0]);
        const std::vector<float> queries = random.floats(tokens.size() * d, 2.0f);
        const std::vector<float> together = attend(of, tokens, queries, window, support::one_thread(), sinks);
        const std::vector<float> none = attend(of, tokens, queries, window, support::one_thread());
        for (const std::size_t threads : {2u, 7u}) {
            eo::thread_pool pool(threads);
            REQUIRE(support::same_bits(attend(of, tokens, queries, window, pool, sinks), together));
        }
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            const std::vector<float> query(queries.begin() + static_cast<std::ptrdiff_t>(t * d),
                                           queries.begin() + static_cast<std::ptrdiff_t>((t + 1) * d));
            eo::thread_pool pool(3);
            REQUIRE(support::same_bits(attend(of, std::span(tokens).subspan(t, 1), query, window, pool, sinks),
                                       std::span(together).subspan(t * d, d)));
            if constexpr (!std::is_same_v<TestType, eo::f32>) continue;
            // By the definition: the scores' sum, of which a sink leaves a part.
            const eo::kv_cache& seen_in = *tokens[t].cache;
            for (std::size_t head = 0; head < of.heads; ++head) {
                const std::size_t kv_head = head * of.kv_heads / of.heads;
                double sum = 0.0;
                for (std::size_t i = seen_in.hidden(1, tokens[t].position, window);
                     i < seen_in.visible(1, tokens[t].position); ++i) {
                    constexpr std::size_t length = eo::kernels::score_stretch;
                    const auto* const keys = seen_in.keys(1, kv_head, i / length);
                    double dot = 0.0;
                    for (std::size_t k = 0; k < of.head_dim; ++k) {
                        dot += double{query[head * of.head_dim + k]} *
                               static_cast<double>(keys[(i % length / 16 * of.head_dim + k) * 16 + i % 16]);
                    }
                    sum += std::exp(dot * double{0.3f} - double{sinks[head]});
                }
                for (std::size_t k = 0; k < of.head_dim; ++k) {
                    const std::size_t at = t * d + head * of.head_dim + k;
                    CHECK(std::abs(together[at] - double{none[at]} * sum / (sum + 1.0)) < 1e-4);
                }
            }
        }
    }
}

TEST_CASE("only threads that may share a stretch take memory for it", "[nn][attention]") {
    const eo::cached_attention<eo::dynamic> attention(14, 2, eo::extent<>(64), 1.0f, 0);
    const std::size_t one = eo::pieces_per_thread;
    const std::size_t scratch = eo::kernels::attention_scratch<>(64) * sizeof(float);
    CHECK(attention.scratch_bytes(one) == one * scratch);
    CHECK(attention.scratch_bytes(2 * one) > 2 * one * scratch);
    const eo::cached_attention<eo::dynamic> many(16, 16, eo::extent<>(64), 1.0f, 0);
    CHECK(many.scratch_bytes(2 * one) == 2 * one * scratch);
}
