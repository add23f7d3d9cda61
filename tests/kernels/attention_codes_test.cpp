// SPDX-License-Identifier: MIT
#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/kernels/attention.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::misaligned;
using support::same_bits;

namespace {

using layout = eo::kernels::kv_layout<eo::int8>;

/// One head's keys and values in int8, beside what was stored and what the codes stand for.
struct coded_cache {
    std::size_t head_dim, entries;
    std::vector<float> keys, values, decoded_keys, decoded_values;  // [entries, head_dim]
    eo::aligned_buffer<std::int8_t> key_codes, value_codes;

    coded_cache(std::size_t head_dim_, std::size_t entries_, support::random_source& random)
        : head_dim(head_dim_),
          entries(entries_),
          keys(random.floats(entries * head_dim)),
          values(random.floats(entries * head_dim)),
          decoded_keys(keys.size()),
          decoded_values(keys.size()),
          key_codes(layout::key_size(head_dim, entries)),
          value_codes(layout::value_size(head_dim, entries)) {
        // Contents beyond the entries must not matter: all bits set are codes of -1 with scales that are no numbers.
        for (std::int8_t& code : key_codes.span()) code = -1;
        for (std::int8_t& code : value_codes.span()) code = -1;
        for (std::size_t i = 0; i < entries; ++i) set(i);
    }

    void set(std::size_t i) {
        const float* const key = keys.data() + i * head_dim;
        const float* const value = values.data() + i * head_dim;
        layout::store(key_codes.data(), value_codes.data(), head_dim, i, key, value);
        const auto decode = [&](const float* x, float* to) {
            float most = 0.0f;
            for (std::size_t k = 0; k < head_dim; ++k) most = std::max(most, std::abs(x[k]));
            const float scale = most / 127.0f;
            for (std::size_t k = 0; k < head_dim; ++k)
                to[k] = most == 0.0f ? 0.0f : std::nearbyint(x[k] / scale) * scale;
        };
        decode(key, decoded_keys.data() + i * head_dim);
        decode(value, decoded_values.data() + i * head_dim);
    }

    template <class Arch, class HeadDim>
    void attend(std::span<const eo::kernels::head_query> queries, HeadDim size, float scale) const {
        misaligned scratch(eo::kernels::attention_scratch<Arch>(head_dim), -3.0f);
        const eo::kernels::kv_arrays<eo::int8> memory(key_codes.data(), value_codes.data(), head_dim);
        eo::kernels::attend(eo::int8{}, queries, memory, size, scale, scratch.data(), Arch{});
        REQUIRE(scratch.intact());
    }
    template <class Arch>
    misaligned attend(const misaligned& query, float scale, std::size_t first, std::size_t last) const {
        misaligned out(head_dim, -9.0f);
        const eo::kernels::head_query one{query.data(), out.data(), first, last};
        attend<Arch>(std::span(&one, 1), eo::extent<>(head_dim), scale);
        REQUIRE(out.intact());
        return out;
    }

    /// The definition in double precision, of the decoded keys and values or of those that were stored.
    std::vector<double> exact(const misaligned& query, double scale, std::size_t first, std::size_t last,
                              bool decoded) const {
        const std::vector<float>&k_of = decoded ? decoded_keys : keys, &v_of = decoded ? decoded_values : values;
        std::vector<double> weights(entries), out(head_dim);
        double most = -HUGE_VAL, sum = 0.0;
        for (std::size_t i = first; i < last; ++i) {
            for (std::size_t k = 0; k < head_dim; ++k) {
                weights[i] += static_cast<double>(query[k]) * k_of[i * head_dim + k] * scale;
            }
            most = std::max(most, weights[i]);
        }
        for (std::size_t i = first; i < last; ++i) sum += weights[i] = std::exp(weights[i] - most);
        for (std::size_t i = first; i < last; ++i) {
            for (std::size_t k = 0; k < head_dim; ++k) out[k] += weights[i] / sum * v_of[i * head_dim + k];
        }
        return out;
    }
};

double worst(const misaligned& found, const std::vector<double>& expected) {
    double largest = 0.0;
    for (std::size_t k = 0; k < expected.size(); ++k) {
        const double off = std::abs(found[k] - expected[k]);
        largest = off <= largest ? largest : std::isnan(off) ? HUGE_VAL : off;
    }
    return largest;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("attention in int8 is that of the decoded keys and values", "[kernels][attention][int8]",
                        support::archs) {
    support::random_source random(1);
    for (const std::size_t head_dim : {1u, 4u, 7u, 16u, 31u, 64u, 80u}) {
        for (const std::size_t entries : {1u, 2u, 16u, 17u, 33u, 100u, 1100u}) {
            const coded_cache c(head_dim, entries, random);
            const misaligned query(random.floats(head_dim));
            for (const std::size_t first : {0u, 1u, 15u, 31u, 32u, 600u}) {
                if (first >= entries) continue;
                const float scale = first % 2 == 0 ? 1.0f / std::sqrt(static_cast<float>(head_dim)) : 2.0f;
                const misaligned out = c.attend<TestType>(query, scale, first, entries);
                INFO("head_dim " << head_dim << ", entries " << first << " .. " << entries);
                // 16 bits of the query and of each weight.
                CHECK(worst(out, c.exact(query, scale, first, entries, true)) < 3e-4);
                // 8 bits of each key and value: half of 1 / 127 of the largest component, which is at most 1.
                const double of_scores = scale * static_cast<double>(head_dim) / 254.0;
                CHECK(worst(out, c.exact(query, scale, first, entries, false)) < 1.0 / 254.0 + 2.0 * of_scores);
            }
        }
    }
}

TEMPLATE_LIST_TEST_CASE("attention in int8 stays near where values differ by orders of magnitude",
                        "[kernels][attention][int8]", support::archs) {
    support::random_source random(2);
    coded_cache c(20, 700, random);
    for (std::size_t i = 0; i < c.entries; ++i) {
        for (std::size_t k = 0; k < c.head_dim; ++k) c.values[i * 20 + k] *= std::pow(10.0f, random.real(-4, 1));
        c.set(i);
    }
    const misaligned query(random.floats(20, 3.0f));
    CHECK(worst(c.attend<TestType>(query, 1.0f, 0, 700), c.exact(query, 1.0, 0, 700, true)) < 3e-3);
}

TEMPLATE_LIST_TEST_CASE("attention in int8: a query does not depend on the others",
                        "[kernels][attention][int8][arithmetic]", support::exact_archs) {
    support::random_source random(3);
    for (const std::size_t head_dim : {1u, 7u, 20u, 64u}) {
        for (const std::size_t entries : {1u, 17u, 515u, 1100u}) {
            const coded_cache c(head_dim, entries, random);
            for (const std::size_t count : {2u, 3u, 5u, 7u, 8u}) {
                std::vector<misaligned> inputs, together;
                std::vector<eo::kernels::head_query> queries;
                for (std::size_t q = 0; q < count; ++q) {
                    inputs.emplace_back(random.floats(head_dim, q % 3 == 0 ? 20.0f : 1.0f));
                    together.emplace_back(head_dim, -9.0f);
                }
                for (std::size_t q = 0; q < count; ++q) {
                    const std::size_t last = entries - std::min(entries, (count - 1 - q) / 2);
                    const std::size_t first = q % 2 == 0 ? 0 : last - std::min<std::size_t>(last, 90);
                    queries.push_back({inputs[q].data(), together[q].data(), first, last});
                }
                queries[count / 2].first = queries[count / 2].last;  // one that sees nothing
                c.attend<TestType>(queries, eo::extent<>(head_dim), 0.3f);
                for (std::size_t q = 0; q < count; ++q) {
                    INFO("query " << q << " of " << count << ", head_dim " << head_dim << ", entries " << entries);
                    const misaligned alone = c.attend<TestType>(inputs[q], 0.3f, queries[q].first, queries[q].last);
                    REQUIRE(same_bits(together[q].span(), alone.span()));
                }
            }
        }
    }
}

TEMPLATE_LIST_TEST_CASE("attention in int8: a head size known at compile time gives the same bits",
                        "[kernels][attention][int8][arithmetic]", support::exact_archs) {
    support::random_source random(4);
    const coded_cache c(20, 600, random);
    const misaligned query(random.floats(20));
    misaligned out(20);
    const eo::kernels::head_query one{query.data(), out.data(), 3, 600};
    c.attend<TestType>(std::span(&one, 1), eo::extent<20>{}, 0.3f);
    CHECK(same_bits(out.span(), c.attend<TestType>(query, 0.3f, 3, 600).span()));
}

TEMPLATE_LIST_TEST_CASE("attention in int8: extremes", "[kernels][attention][int8]", support::archs) {
    support::random_source random(5);
    coded_cache c(20, 70, random);
    const misaligned query(random.floats(20));
    SECTION("an empty range yields zero") {
        const misaligned out = c.attend<TestType>(query, 1.0f, 5, 5);
        for (std::size_t k = 0; k < 20; ++k) CHECK(out[k] == 0.0f);
    }
    SECTION("entries that are not numbers matter only to who sees them") {
        for (const std::size_t i : {3u, 69u}) {
            c.keys[i * 20] = i == 3 ? HUGE_VALF : NAN;
            c.values[i * 20 + 7] = NAN;
            c.set(i);
        }
        const misaligned clean = c.attend<TestType>(query, 1.0f, 4, 69),
                         poisoned = c.attend<TestType>(query, 1.0f, 3, 69);
        CHECK(worst(clean, c.exact(query, 1.0, 4, 69, true)) < 3e-4);
        for (std::size_t k = 0; k < 20; ++k) CHECK(std::isnan(poisoned[k]));
    }
    SECTION("a query that is not a number has no result") {
        misaligned infinite(random.floats(20));
        infinite[19] = HUGE_VALF;
        CHECK(std::isnan(c.attend<TestType>(infinite, 1.0f, 0, 70)[0]));
    }
    SECTION("zeros") {
        std::fill(c.keys.begin(), c.keys.end(), 0.0f);
        std::fill(c.values.begin(), c.values.end(), 1e-35f);
        for (std::size_t i = 0; i < 70; ++i) c.set(i);
        const misaligned out = c.attend<TestType>(misaligned(20, 0.0f), 1.0f, 0, 70);
        for (std::size_t k = 0; k < 20; ++k) CHECK(std::abs(out[k]) <= 1e-35f);
    }
    SECTION("large values") {
        for (float& x : c.values) x *= 1e37f;
        for (float& x : c.keys) x *= 1e30f;
        for (std::size_t i = 0; i < 70; ++i) c.set(i);
        const misaligned out = c.attend<TestType>(query, 1e-30f, 0, 70);
        CHECK(worst(out, c.exact(query, 1e-30, 0, 70, true)) < 1e34);
    }
}
