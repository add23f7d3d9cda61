// SPDX-License-Identifier: MIT
#include <earlyout/nn/attention.hpp>
#include <earlyout/nn/head_norm.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;

TEST_CASE("each head's query and key is normalised separately", "[nn][head_norm]") {
    constexpr std::size_t head_dim = 6;
    support::random_source random(1);
    const std::vector<float> query_weight = random.floats(head_dim), key_weight = random.floats(head_dim);
    const eo::normed_heads<eo::no_positions> norms{{query_weight, 1e-3f}, {key_weight, 1e-3f}, {}};
    const std::vector<float> q = random.floats(3 * head_dim), k = random.floats(2 * head_dim);
    std::vector<float> queries = q, keys = k;
    norms(5, queries.data(), 3, keys.data(), 2, head_dim);
    const auto check = [&](const std::vector<float>& after, const std::vector<float>& before,
                           const std::vector<float>& weight) {
        for (std::size_t at = 0; at < before.size(); at += head_dim) {
            double squares = 0.0;
            for (std::size_t i = 0; i < head_dim; ++i) squares += double{before[at + i]} * double{before[at + i]};
            const double factor = 1.0 / std::sqrt(squares / head_dim + 1e-3);
            for (std::size_t i = 0; i < head_dim; ++i) {
                CHECK_THAT(after[at + i], WithinAbs(before[at + i] * factor * weight[i], 1e-6));
            }
        }
    };
    check(queries, q, query_weight);
    check(keys, k, key_weight);
    CHECK(norms.bytes() == 2 * head_dim * sizeof(float));
}

TEST_CASE("all queries of a token are normalised together, and its keys", "[nn][head_norm]") {
    constexpr std::size_t head_dim = 4;
    support::random_source random(2);
    const std::vector<float> query_weight = random.floats(3 * head_dim), key_weight = random.floats(2 * head_dim);
    const eo::normed_projections<eo::no_positions> norms{{query_weight, 1e-3f}, {key_weight, 1e-3f}, {}};
    const std::vector<float> q = random.floats(3 * head_dim), k = random.floats(2 * head_dim);
    std::vector<float> queries = q, keys = k;
    norms(5, queries.data(), 3, keys.data(), 2, head_dim);
    const auto check = [&](const std::vector<float>& after, const std::vector<float>& before,
                           const std::vector<float>& weight) {
        double squares = 0.0;
        for (const float x : before) squares += double{x} * double{x};
        const double factor = 1.0 / std::sqrt(squares / static_cast<double>(before.size()) + 1e-3);
        for (std::size_t i = 0; i < before.size(); ++i) {
            CHECK_THAT(after[i], WithinAbs(before[i] * factor * weight[i], 1e-6));
        }
    };
    check(queries, q, query_weight);
    check(keys, k, key_weight);
    CHECK(norms.bytes() == 5 * head_dim * sizeof(float));
    // Keys alone, as for a skipped layer: the queries were not computed.
    std::vector<float> untouched = q, same_keys = k;
    norms(5, untouched.data(), 0, same_keys.data(), 2, head_dim);
    CHECK(untouched == q);
    CHECK(same_keys == keys);
}
