// SPDX-License-Identifier: MIT
#include <earlyout/core/platform.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "support/catch.hpp"

namespace eo = earlyout;
namespace platform = eo::platform;

namespace {

EARLYOUT_ALWAYS_INLINE int unrolled_sum(const int (&values)[4]) {
    int sum = 0;
    EARLYOUT_UNROLL(4)
    for (const int value : values) sum += value;
    return sum;
}

}  // namespace

TEST_CASE("attributes change nothing but the code", "[core][platform]") {
    CHECK(unrolled_sum({1, 2, 3, 4}) == 10);
    const auto twice = [](int x) EARLYOUT_ALWAYS_INLINE_LAMBDA { return 2 * x; };
    CHECK(twice(3) == 6);
    int near = 1;
    platform::prefetch(0);  // no address at all
    platform::prefetch_to_write(&near);
    platform::write_all();
    platform::relax();
    CHECK(near == 1);
}

TEST_CASE("memory is aligned as requested", "[core][platform]") {
    for (const std::size_t align : {std::size_t{64}, std::size_t{1} << 21}) {
        void* const memory = platform::allocate(2 * align, align);
        CHECK(reinterpret_cast<std::uintptr_t>(memory) % align == 0);
        platform::prefer_huge_pages(memory, 2 * align);
        std::memset(memory, 1, 2 * align);
        platform::release(memory, align);
    }
}
