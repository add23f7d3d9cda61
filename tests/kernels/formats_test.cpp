// SPDX-License-Identifier: MIT
#include <earlyout/kernels/formats.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <set>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("element formats store each weight by itself, rounded to the nearest", "[kernels][formats]") {
    static_assert(eo::element_format<eo::f32> && eo::element_format<eo::bf16> && eo::element_format<eo::f16>);
    static_assert(!eo::element_format<eo::int8> && eo::group_format<eo::int8> && eo::group_format<eo::int4>);
    const auto back = []<class F>(F, float x) { return F::decode(F::encode(x)); };
    for (const float x : {0.0f, 1.0f, -2.5f, 0.333f, 1e-3f}) {
        CHECK(back(eo::f32{}, x) == x);
        CHECK(std::abs(back(eo::bf16{}, x) - x) <= std::abs(x) / 256.0f);
        CHECK(std::abs(back(eo::f16{}, x) - x) <= std::abs(x) / 2048.0f);
    }
    CHECK(back(eo::f16{}, 1e9f) == 65504.0f);  // the largest
    std::set<std::size_t> places;
    for (std::size_t row = 0; row < 32; ++row) places.insert(eo::bf16::place(row));
    CHECK(places.size() == 32);
    CHECK(*places.rbegin() == 31);
}
