// SPDX-License-Identifier: MIT
#include <earlyout/core/matrix_view.hpp>

#include <numeric>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("views of rows and columns see the same elements", "[core][matrix_view]") {
    std::vector<int> values(24);
    std::iota(values.begin(), values.end(), 0);
    const eo::matrix_view<int> all(values.data(), 4, 5, 6);
    CHECK(all.rows() == 4);
    CHECK(all.cols() == 5);
    CHECK(all.stride() == 6);
    CHECK(all.row(2)[1] == 13);
    CHECK(all[3].size() == 5);
    CHECK(all[3].back() == 22);

    const auto middle = all.rows(1, 2).cols(2, 3);
    CHECK(middle.rows() == 2);
    CHECK(middle.cols() == 3);
    CHECK(middle[0].front() == 8);
    CHECK(middle[1].back() == 16);
    middle.row(0)[0] = -1;
    CHECK(values[8] == -1);

    const eo::matrix_view<const int> constant = all;
    CHECK(constant.data() == values.data());
    CHECK(constant.stride() == 6);
    CHECK(eo::matrix_view<int>(values.data(), 4, 6).stride() == 6);
    static_assert(!std::is_convertible_v<eo::matrix_view<const int>, eo::matrix_view<int>>);
    CHECK(eo::matrix_view<int>().rows() == 0);
}
