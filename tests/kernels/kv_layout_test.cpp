// SPDX-License-Identifier: MIT
#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/kernels/kv_layout.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using eo::kernels::kv_layout;

TEMPLATE_TEST_CASE("each component is stored by itself", "[kernels][kv_layout]", eo::f32, eo::f16, eo::bf16) {
    using layout = kv_layout<TestType>;
    using element = typename layout::element;
    support::random_source random(1);
    for (const std::size_t head_dim : {1u, 7u, 16u, 20u}) {
        constexpr std::size_t entries = 21;
        eo::aligned_buffer<element> keys(layout::key_size(head_dim, entries));
        eo::aligned_buffer<element> values(layout::value_size(head_dim, entries));
        CHECK(keys.span().size() == 32 * head_dim);
        CHECK(layout::entry_bytes(head_dim) == (head_dim + eo::round_up(head_dim, 16)) * sizeof(element));
        std::vector<std::vector<float>> key, value;
        for (std::size_t i = 0; i < entries; ++i) {
            key.push_back(random.floats(head_dim));
            value.push_back(random.floats(head_dim));
            layout::store(keys.data(), values.data(), head_dim, i, key[i].data(), value[i].data());
        }
        for (std::size_t i = 0; i < entries; ++i) {
            for (std::size_t k = 0; k < head_dim; ++k) {
                REQUIRE(keys[(i / 16 * head_dim + k) * 16 + i % 16] == TestType::encode(key[i][k]));
                REQUIRE(values[i * eo::round_up(head_dim, 16) + k] == TestType::encode(value[i][k]));
            }
        }
    }
}

namespace {

/// Codes and scales of int8, read back.
struct codes {
    using layout = kv_layout<eo::int8>;
    std::size_t head_dim;
    eo::aligned_buffer<std::int8_t> keys, values;

    codes(std::size_t head_dim_, std::size_t entries)
        : head_dim(head_dim_),
          keys(layout::key_size(head_dim, entries)),
          values(layout::value_size(head_dim, entries)) {}

    int key_code(std::size_t entry, std::size_t k) const {
        const std::size_t half = (head_dim + 1) / 2;
        return keys[entry / 16 * 16 * (2 * half + 4) + (k % half * 16 + entry % 16) * 2 + k / half];
    }
    float key_scale(std::size_t entry) const {
        const std::size_t half = (head_dim + 1) / 2;
        return scale(keys.data() + entry / 16 * 16 * (2 * half + 4) + 32 * half + entry % 16 * 4);
    }
    int value_code(std::size_t entry, std::size_t k) const {
        const std::size_t width = eo::round_up(head_dim, 16);
        return values[entry / 32 * 32 * (width + 4) + (entry % 16 * width + k) * 2 + entry % 32 / 16];
    }
    float value_scale(std::size_t entry) const {
        const std::size_t width = eo::round_up(head_dim, 16);
        return scale(values.data() + entry / 32 * 32 * (width + 4) + 32 * width + entry % 32 * 4);
    }

private:
    static float scale(const std::int8_t* from) {
        float value;
        std::memcpy(&value, from, sizeof value);
        return value;
    }
};

}  // namespace

TEST_CASE("int8: codes times one scale for each key and value", "[kernels][kv_layout]") {
    support::random_source random(2);
    for (const std::size_t head_dim : {1u, 7u, 16u, 20u, 64u}) {
        constexpr std::size_t entries = 37;
        codes stored(head_dim, entries);
        std::vector<std::vector<float>> key, value;
        for (std::size_t i = 0; i < entries; ++i) {
            key.push_back(random.floats(head_dim, i == 3 ? 1e30f : 1.0f));
            value.push_back(random.floats(head_dim, i == 4 ? 1e-25f : 1.0f));
            codes::layout::store(stored.keys.data(), stored.values.data(), head_dim, i, key[i].data(), value[i].data());
        }
        const auto check = [&](const std::vector<float>& x, float scale, auto code) {
            float most = 0.0f;
            for (const float component : x) most = std::max(most, std::abs(component));
            REQUIRE(scale == most / 127.0f);
            int largest = 0;
            for (std::size_t k = 0; k < head_dim; ++k) {
                REQUIRE_THAT(static_cast<float>(code(k)) * scale, Catch::Matchers::WithinAbs(x[k], scale * 0.5001));
                largest = std::max(largest, std::abs(code(k)));
            }
            REQUIRE(largest == 127);
        };
        for (std::size_t i = 0; i < entries; ++i) {
            check(key[i], stored.key_scale(i), [&](std::size_t k) { return stored.key_code(i, k); });
            check(value[i], stored.value_scale(i), [&](std::size_t k) { return stored.value_code(i, k); });
        }
    }
}

TEST_CASE("int8: what cannot be rounded", "[kernels][kv_layout]") {
    codes stored(3, 4);
    const float rows[4][3] = {{0, 0, 0}, {1e-40f, -1e-38f, 0}, {1, NAN, 2}, {-HUGE_VALF, 1, 2}};
    for (std::size_t i = 0; i < 4; ++i) {
        codes::layout::store(stored.keys.data(), stored.values.data(), 3, i, rows[i], rows[i]);
        for (std::size_t k = 0; k < 3; ++k) {
            CHECK(stored.key_code(i, k) == 0);
            CHECK(stored.value_code(i, k) == 0);
        }
        CHECK(std::isnan(stored.key_scale(i)) == (i >= 2));
        CHECK(std::isnan(stored.value_scale(i)) == (i >= 2));
        if (i < 2) CHECK(stored.key_scale(i) == 0.0f);
    }
}
