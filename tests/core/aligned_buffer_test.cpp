// SPDX-License-Identifier: MIT
#include <earlyout/core/aligned_buffer.hpp>

#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a buffer is zeroed and aligned, whatever its size", "[core][aligned_buffer]") {
    for (const std::size_t size : {1u, 3u, 16u, 1000u, 1u << 19, (1u << 19) + 5u}) {
        eo::aligned_buffer<float> b(size);
        const auto address = reinterpret_cast<std::uintptr_t>(b.data());
        CHECK(address % 64 == 0);
        if (b.bytes() >= eo::aligned_buffer<float>::huge_page)
            CHECK(address % eo::aligned_buffer<float>::huge_page == 0);
        CHECK(b.size() == size);
        CHECK(b.bytes() == size * sizeof(float));
        bool zero = true;
        for (const float x : b.span()) zero = zero && x == 0.0f;
        CHECK(zero);
        b[size - 1] = 5.0f;
        CHECK(std::as_const(b)[size - 1] == 5.0f);
    }
}

TEST_CASE("an empty buffer allocates nothing, an impossible size is refused", "[core][aligned_buffer]") {
    CHECK(eo::aligned_buffer<float>().data() == nullptr);
    CHECK(eo::aligned_buffer<float>(0).span().empty());
    CHECK_THROWS_AS(eo::aligned_buffer<float>(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
    CHECK_THROWS_AS(eo::aligned_buffer<double>(std::numeric_limits<std::size_t>::max() / 4), std::bad_alloc);
}

TEST_CASE("moving transfers the storage", "[core][aligned_buffer]") {
    static_assert(!std::is_copy_constructible_v<eo::aligned_buffer<int>>);
    eo::aligned_buffer<int> a(4);
    a[2] = 7;
    const int* const where = a.data();
    eo::aligned_buffer<int> b = std::move(a);
    CHECK(b.data() == where);
    CHECK(b.size() == 4);
    CHECK(a.size() == 0);
    CHECK(a.data() == nullptr);
    eo::aligned_buffer<int> c(1);
    c = std::move(b);
    CHECK(c[2] == 7);
    CHECK(b.size() == 0);
}
