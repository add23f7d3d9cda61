// SPDX-License-Identifier: MIT
#include <earlyout/kernels/attention.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <type_traits>
#include <vector>

#include <earlyout/core/aligned_buffer.hpp>
#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::misaligned;
using support::same_bits;

namespace {

/// Keys and values of `heads` heads as kernels::attend expects them, beside a plain copy of what is stored.
template <class Format = eo::f32>
struct cache {
    using element = typename Format::element;

    std::size_t heads, head_dim, entries, d_kv, value_stride, head_keys, head_values;
    std::vector<float> plain_keys;    // [entries, d_kv]
    std::vector<float> plain_values;  // [entries, d_kv]
    eo::aligned_buffer<element> keys;
    eo::aligned_buffer<element> values;

    cache(std::size_t heads_, std::size_t head_dim_, std::size_t entries_, support::random_source& random)
        : heads(heads_),
          head_dim(head_dim_),
          entries(entries_),
          d_kv(heads * head_dim),
          value_stride(eo::round_up(head_dim, 16)),
          head_keys(eo::round_up(entries, 16) * head_dim),
          head_values(entries * value_stride),
          plain_keys(random.floats(entries * d_kv)),
          plain_values(random.floats(entries * d_kv)),
          keys(heads * head_keys),
          values(heads * head_values) {
        // Contents beyond the entries must not matter: a rollback may have left them there.
        for (element& key : keys.span()) key = static_cast<element>(std::is_same_v<element, float> ? -77.0f : 0x7b00);
        for (std::size_t i = 0; i < entries; ++i) {
            for (std::size_t k = 0; k < d_kv; ++k) {
                keys[key_at(i, k)] = Format::encode(plain_keys[i * d_kv + k]);
                values[value_at(i, k)] = Format::encode(plain_values[i * d_kv + k]);
                plain_keys[i * d_kv + k] = Format::decode(keys[key_at(i, k)]);
                plain_values[i * d_kv + k] = Format::decode(values[value_at(i, k)]);
            }
        }
    }

    std::size_t key_at(std::size_t entry, std::size_t k) const {
        return k / head_dim * head_keys + (entry / 16 * head_dim + k % head_dim) * 16 + entry % 16;
    }
    std::size_t value_at(std::size_t entry, std::size_t k) const {
        return k / head_dim * head_values + entry * value_stride + k % head_dim;
    }

    template <class Arch, class HeadDim>
    misaligned attend(const misaligned& query, HeadDim size, std::size_t head, float scale, std::size_t first,
                      std::size_t last) const {
        misaligned out(head_dim, -9.0f);
        const eo::kernels::head_query one{query.data(), out.data(), first, last};
        attend<Arch>(std::span(&one, 1), size, head, scale);
        REQUIRE(out.intact());
        return out;
    }

    template <class Arch, class HeadDim>
    void attend(std::span<const eo::kernels::head_query> queries, HeadDim size, std::size_t head, float scale) const {
        misaligned scratch(eo::kernels::attention_scratch<Arch>(head_dim), -3.0f);
        const eo::kernels::kv_arrays<Format> memory(keys.data() + head * head_keys, values.data() + head * head_values,
                                                    head_dim);
        eo::kernels::attend(Format{}, queries, memory, size, scale, scratch.data(), Arch{});
        REQUIRE(scratch.intact());
    }

    std::vector<double> exact(const misaligned& query, std::size_t head, double scale, std::size_t first,
                              std::size_t last, double cap = 0.0) const {
        std::vector<double> weights(entries);
        double most = -HUGE_VAL;
        for (std::size_t i = first; i < last; ++i) {
            for (std::size_t k = 0; k < head_dim; ++k) {
                weights[i] += static_cast<double>(query[k]) * plain_keys[i * d_kv + head * head_dim + k];
            }
            weights[i] *= scale;
            if (cap != 0.0) weights[i] = cap * std::tanh(weights[i] / cap);
            most = std::max(most, weights[i]);
        }
        double sum = 0;
        for (std::size_t i = first; i < last; ++i) sum += weights[i] = std::exp(weights[i] - most);
        std::vector<double> out(head_dim);
        for (std::size_t i = first; i < last; ++i) {
            for (std::size_t k = 0; k < head_dim; ++k) {
                out[k] += weights[i] / sum * plain_values[i * d_kv + head * head_dim + k];
            }
        }
        return out;
    }
};

constexpr std::size_t head_dims[] = {1, 4, 7, 16, 31, 32, 64, 80};

}  // namespace

namespace {

template <class Arch, class Format>
void check_definition(Format) {
    support::random_source random(1);
    for (const std::size_t head_dim : head_dims) {
        for (const std::size_t entries : {1u, 2u, 15u, 16u, 17u, 31u, 32u, 33u, 100u}) {
            const cache<Format> c(3, head_dim, entries, random);
            const misaligned query(random.floats(head_dim));
            for (const std::size_t first : {0u, 1u, 15u, 16u, 17u, 31u}) {
                if (first >= entries) continue;
                const float scale = first % 2 == 0 ? 1.0f / std::sqrt(static_cast<float>(head_dim)) : 2.0f;
                const std::size_t head = first % 3;
                const misaligned out =
                    c.template attend<Arch>(query, eo::extent<>(head_dim), head, scale, first, entries);
                const std::vector<double> expected = c.exact(query, head, scale, first, entries);
                INFO("head_dim " << head_dim << ", entries " << first << " .. " << entries);
                for (std::size_t k = 0; k < head_dim; ++k) {
                    REQUIRE_THAT(out[k], Catch::Matchers::WithinAbs(expected[k], 2e-5));
                }
            }
        }
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("attend equals its definition in double precision", "[kernels][attention]", support::archs) {
    check_definition<TestType>(eo::f32{});
    check_definition<TestType>(eo::bf16{});
    check_definition<TestType>(eo::f16{});
}

TEMPLATE_LIST_TEST_CASE("attend: entries past the end do not matter", "[kernels][attention]", support::archs) {
    support::random_source random(2);
    const cache<> c(2, 7, 40, random);
    const misaligned query(random.floats(7));
    for (std::size_t last = 1; last <= 40; ++last) {
        support::random_source again(2);
        cache<> shorter(2, 7, 40, again);
        for (std::size_t i = last; i < 40; ++i) {
            for (std::size_t k = 0; k < 14; ++k) {
                shorter.keys[shorter.key_at(i, k)] = std::nanf("");
                shorter.values[shorter.value_at(i, k)] = std::nanf("");
            }
        }
        const misaligned a = c.attend<TestType>(query, eo::extent<>(7), 1, 0.4f, 0, last);
        const misaligned b = shorter.attend<TestType>(query, eo::extent<>(7), 1, 0.4f, 0, last);
        REQUIRE(same_bits(a.span(), b.span()));
    }
}

TEMPLATE_LIST_TEST_CASE("attend: a head size known at compile time gives the same bits",
                        "[kernels][attention][arithmetic]", support::exact_archs) {
    support::random_source random(3);
    const auto compare = [&](auto size) {
        const cache<> c(2, size, 37, random);
        const misaligned query(random.floats(size));
        const misaligned a = c.attend<TestType>(query, size, 1, 0.3f, 0, 37);
        const misaligned b = c.attend<TestType>(query, eo::extent<>(size), 1, 0.3f, 0, 37);
        REQUIRE(same_bits(a.span(), b.span()));
    };
    compare(eo::extent<1>{});
    compare(eo::extent<7>{});
    compare(eo::extent<20>{});
    compare(eo::extent<64>{});
    compare(eo::extent<80>{});
}

namespace {

/// Max queries of one call, each with its own first and last entry, against each of them alone.
template <class Arch, class Format>
void check_together(Format, std::size_t head_dim, std::size_t entries, std::size_t window) {
    support::random_source random(5);
    const cache<Format> c(2, head_dim, entries, random);
    for (const std::size_t count : {std::size_t{2}, std::size_t{3}, std::size_t{4}, std::size_t{5}, std::size_t{7},
                                    eo::kernels::max_queries<Arch>}) {
        if (count > eo::kernels::max_queries<Arch>) continue;
        std::vector<misaligned> inputs, together;
        std::vector<eo::kernels::head_query> queries;
        for (std::size_t q = 0; q < count; ++q) {
            inputs.emplace_back(random.floats(head_dim, q % 3 == 0 ? 20.0f : 1.0f));
            together.emplace_back(head_dim, -9.0f);
        }
        for (std::size_t q = 0; q < count; ++q) {
            const std::size_t last = entries - std::min(entries, (count - 1 - q) / 2);
            queries.push_back({inputs[q].data(), together[q].data(), last - std::min(last, window), last});
        }
        queries[count / 2].first = queries[count / 2].last;  // one that sees nothing
        c.template attend<Arch>(queries, eo::extent<>(head_dim), 1, 0.3f);
        for (std::size_t q = 0; q < count; ++q) {
            INFO("query " << q << " of " << count << ", head_dim " << head_dim << ", entries " << entries << ", window "
                          << window);
            const misaligned alone =
                c.template attend<Arch>(inputs[q], eo::extent<>(head_dim), 1, 0.3f, queries[q].first, queries[q].last);
            REQUIRE(together[q].intact());
            REQUIRE(same_bits(together[q].span(), alone.span()));
        }
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("attend: a query does not depend on the others", "[kernels][attention][arithmetic]",
                        support::exact_archs) {
    const auto check = [](auto format) {
        for (const std::size_t head_dim : {1u, 7u, 20u, 64u, 80u}) {
            for (const std::size_t entries : {1u, 5u, 17u, 48u, 515u, 1100u}) {
                check_together<TestType>(format, head_dim, entries, entries);
            }
        }
        for (const std::size_t window : {1u, 3u, 16u, 90u, 513u}) check_together<TestType>(format, 33, 1031, window);
    };
    check(eo::f32{});
    check(eo::bf16{});
    check(eo::f16{});
}

TEMPLATE_LIST_TEST_CASE("attend: entries that a query does not see may be anything", "[kernels][attention][arithmetic]",
                        support::exact_archs) {
    support::random_source random(6);
    cache<> c(1, 20, 40, random);
    for (std::size_t k = 0; k < 20; ++k) {
        for (const std::size_t i : {3u, 39u}) {
            c.keys[c.key_at(i, k)] = std::nanf("");
            c.values[c.value_at(i, k)] = HUGE_VALF;
        }
    }
    const misaligned query(random.floats(20));
    misaligned poisoned(20, 0.0f), clean(20, 0.0f);
    const eo::kernels::head_query both[] = {{query.data(), poisoned.data(), 0, 40},
                                            {query.data(), clean.data(), 4, 39}};
    c.attend<TestType>(both, eo::extent<>(20), 0, 0.3f);
    REQUIRE(same_bits(clean.span(), c.attend<TestType>(query, eo::extent<>(20), 0, 0.3f, 4, 39).span()));
}

TEMPLATE_LIST_TEST_CASE("attend: the largest score may be among the last", "[kernels][attention]", support::archs) {
    support::random_source random(7);
    cache<> c(1, 16, 1600, random);
    for (std::size_t i = 0; i < 1600; ++i) {
        for (std::size_t k = 0; k < 16; ++k) {
            float& key = c.plain_keys[i * 16 + k];
            key *= 0.2f + 3.0f * static_cast<float>(i) / 1600.0f;
            c.keys[c.key_at(i, k)] = key;
        }
    }
    const misaligned query(random.floats(16));
    for (const std::size_t last : {511u, 512u, 513u, 1024u, 1600u}) {
        const misaligned out = c.attend<TestType>(query, eo::extent<>(16), 0, 1.0f, 3, last);
        const std::vector<double> expected = c.exact(query, 0, 1.0, 3, last);
        for (std::size_t k = 0; k < 16; ++k) REQUIRE_THAT(out[k], Catch::Matchers::WithinAbs(expected[k], 2e-5));
    }
}

TEMPLATE_LIST_TEST_CASE("attend: extremes", "[kernels][attention]", support::archs) {
    support::random_source random(4);
    const cache<> c(1, 20, 33, random);
    SECTION("an empty range yields zero") {
        const misaligned query(random.floats(20));
        const misaligned out = c.attend<TestType>(query, eo::extent<>(20), 0, 1.0f, 0, 0);
        for (std::size_t k = 0; k < 20; ++k) REQUIRE(out[k] == 0.0f);
    }
    SECTION("scores of +-1e5 pick one entry") {
        const misaligned query(random.floats(20, 1e5f));
        const misaligned out = c.attend<TestType>(query, eo::extent<>(20), 0, 1.0f, 0, 33);
        const std::vector<double> expected = c.exact(query, 0, 1.0, 0, 33);
        for (std::size_t k = 0; k < 20; ++k) REQUIRE_THAT(out[k], Catch::Matchers::WithinAbs(expected[k], 1e-4));
    }
    SECTION("equal scores average") {
        const misaligned query(20, 0.0f);
        const misaligned out = c.attend<TestType>(query, eo::extent<>(20), 0, 1.0f, 5, 30);
        for (std::size_t k = 0; k < 20; ++k) {
            double mean = 0;
            for (std::size_t i = 5; i < 30; ++i) mean += c.plain_values[i * 20 + k] / 25.0;
            REQUIRE_THAT(out[k], Catch::Matchers::WithinAbs(mean, 1e-6));
        }
    }
}

TEMPLATE_LIST_TEST_CASE("a cap limits scores before the softmax", "[kernels][attention]", support::archs) {
    support::random_source random(11);
    const std::size_t head_dim = 7, entries = 1100;
    const cache<> c(1, head_dim, entries, random);
    const misaligned query(random.floats(head_dim, 3.0f));
    for (const float cap : {0.5f, 2.0f, 50.0f}) {
        INFO(cap);
        misaligned out(head_dim, -9.0f);
        const eo::kernels::head_query one{query.data(), out.data(), 5, entries, cap};
        c.attend<TestType>(std::span(&one, 1), eo::extent<>(head_dim), 0, 1.5f);
        const std::vector<double> expected = c.exact(query, 0, 1.5, 5, entries, double{cap});
        for (std::size_t k = 0; k < head_dim; ++k) CHECK_THAT(out[k], Catch::Matchers::WithinAbs(expected[k], 2e-5));
    }
}
