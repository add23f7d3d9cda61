// SPDX-License-Identifier: MIT
#include <earlyout/kernels/attention_tile.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <earlyout/core/aligned_buffer.hpp>
#include "support/archs.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
namespace tile = eo::kernels::detail;

namespace {

constexpr std::size_t head_dim = 20, width = 32, entries = 41;

/// A tile of queries, of which query q sees entries q + 1 .. entries - q - 1.
template <class Arch>
struct tile_of_queries {
    static constexpr std::size_t count = eo::kernels::tile_queries<Arch>;
    std::vector<float> queries, sums;
    tile::stretch_query at[count];

    explicit tile_of_queries(support::random_source& random)
        : queries(random.floats(count * head_dim)), sums(count * 2 * width, 0.0f) {
        for (std::size_t q = 0; q < count; ++q) {
            at[q] = {queries.data() + q * head_dim, sums.data() + q * 2 * width, q + 1, entries - q - 1};
        }
    }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("scores of whole blocks of keys", "[kernels][attention]", support::archs) {
    support::random_source random(4);
    tile_of_queries<TestType> of(random);
    eo::aligned_buffer<float> keys(48 * head_dim);
    for (std::size_t i = 0; i < entries; ++i) {
        for (std::size_t k = 0; k < head_dim; ++k) keys[(i / 16 * head_dim + k) * 16 + i % 16] = random.real(-1, 1);
    }
    constexpr float untouched = 99.0f;
    std::vector<float> scores(of.count * eo::kernels::score_stride, untouched);
    tile::attention_scores<TestType, of.count>(eo::f32{}, of.at, keys.data(), eo::extent<eo::dynamic>(head_dim, "size"),
                                               0.5f, 17, entries, scores.data());
    for (std::size_t q = 0; q < of.count; ++q) {
        const float* const row = scores.data() + q * eo::kernels::score_stride;
        for (std::size_t i = 0; i < 16; ++i) CHECK(row[i] == untouched);
        for (std::size_t i = 16; i < entries; ++i) {
            double expected = 0.0;
            for (std::size_t k = 0; k < head_dim; ++k) {
                expected += static_cast<double>(of.at[q].query[k]) *
                            static_cast<double>(keys[(i / 16 * head_dim + k) * 16 + i % 16]);
            }
            CHECK(std::abs(static_cast<double>(row[i]) - 0.5 * expected) < 1e-5);
        }
    }
}

TEMPLATE_LIST_TEST_CASE("entries that a query does not see are skipped in its sums", "[kernels][attention]",
                        support::archs) {
    support::random_source random(5);
    tile_of_queries<TestType> of(random);
    std::vector<float> weights(of.count * eo::kernels::score_stride, std::numeric_limits<float>::quiet_NaN());
    eo::aligned_buffer<float> values(entries * width);
    for (float& value : values.span()) value = random.real(-1, 1);
    for (std::size_t k = 0; k < head_dim; ++k) values[k] = std::numeric_limits<float>::quiet_NaN();  // nobody's
    for (std::size_t q = 0; q < of.count; ++q) {
        for (std::size_t i = of.at[q].first; i < of.at[q].last; ++i) {
            weights[q * eo::kernels::score_stride + i] = random.real(0, 1);
        }
    }
    tile::add_weighted<TestType, of.count>(eo::f32{}, of.at, weights.data(), values.data(), width,
                                           eo::extent<eo::dynamic>(head_dim, "size"), 1, entries - 1);
    for (std::size_t q = 0; q < of.count; ++q) {
        for (std::size_t k = 0; k < head_dim; ++k) {
            double expected[2] = {};
            for (std::size_t i = of.at[q].first; i < of.at[q].last; ++i) {
                expected[i % 2] += static_cast<double>(weights[q * eo::kernels::score_stride + i]) *
                                   static_cast<double>(values[i * width + k]);
            }
            for (std::size_t s = 0; s < 2; ++s) {
                CHECK(std::abs(static_cast<double>(of.at[q].sums[s * width + k]) - expected[s]) < 1e-5);
            }
        }
    }
}
