// SPDX-License-Identifier: MIT
#include <earlyout/nn/ends.hpp>

#include <cmath>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("plain ends take no memory and change nothing", "[nn][ends]") {
    STATIC_REQUIRE(std::is_empty_v<eo::plain_ends>);
    std::vector<float> row{1, -2, 3};
    eo::plain_ends().embedding(row.data(), row.size());
    eo::plain_ends().logits(row.data(), row.size());
    eo::scaled_ends(eo::plain_ends()).embedding(row.data(), row.size());
    eo::scaled_ends(eo::plain_ends()).logits(row.data(), row.size());
    CHECK(row == std::vector<float>{1, -2, 3});
}

TEST_CASE("scaled ends multiply embeddings and limit logits", "[nn][ends]") {
    const eo::scaled_ends ends(3.0f, 5.0f);
    std::vector<float> row{1, -2, 3};
    ends.embedding(row.data(), row.size());
    CHECK(row == std::vector<float>{3, -6, 9});
    std::vector<float> logits;
    for (int i = -40; i < 40; ++i) logits.push_back(0.6f * static_cast<float>(i));
    std::vector<float> limited = logits;
    ends.logits(limited.data(), limited.size());
    for (std::size_t i = 0; i < logits.size(); ++i) {
        INFO(logits[i]);
        CHECK(std::abs(limited[i] - 5.0f * std::tanh(logits[i] / 5.0f)) < 2e-6f);
    }
    // An element's bits do not depend on its place.
    for (std::size_t i = 0; i < logits.size(); ++i) {
        ends.logits(&logits[i], 1);
        CHECK(logits[i] == limited[i]);
    }
}
