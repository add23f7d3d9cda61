// SPDX-License-Identifier: MIT
#include <earlyout/nn/layer_token.hpp>

#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a layer token refers to what the caller owns", "[nn][layer_token]") {
    std::vector<float> row{1.0f, 2.0f};
    const eo::layer_token token{.cache = nullptr, .position = 7, .row = row.data()};
    token.row[1] = 5.0f;
    CHECK(row[1] == 5.0f);
    CHECK(eo::layer_token{}.row == nullptr);
    CHECK(token.position == 7);
}
