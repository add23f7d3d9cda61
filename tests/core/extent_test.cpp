// SPDX-License-Identifier: MIT
#include <earlyout/core/extent.hpp>

#include <type_traits>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;

namespace {

/// Compiles only when the size is a constant.
template <class Extent>
constexpr std::size_t known = Extent{};

}  // namespace

TEST_CASE("a static extent is a constant, a dynamic one a number", "[core][extent]") {
    static_assert(known<eo::extent<12>> == 12 && eo::extent<12>::is_static && std::is_empty_v<eo::extent<12>>);
    static_assert(!eo::extent<>::is_static && eo::extent<>() == 0);
    CHECK(eo::extent<>(7) == 7);
    CHECK(eo::extent<12>(12, "d_model") == 12);
    CHECK(support::error_of([] { eo::extent<12>(13, "d_model"); }) ==
          support::thrown(eo::errc::wrong_shape, {"d_model", "12", "found 13"}));
}

TEST_CASE("round_up", "[core][extent]") {
    static_assert(eo::round_up(0, 16) == 0 && eo::round_up(1, 16) == 16 && eo::round_up(16, 16) == 16);
    static_assert(eo::round_up(17, 16) == 32 && eo::round_up(10, 3) == 12 && eo::round_up(5, 1) == 5);
    SUCCEED();
}
