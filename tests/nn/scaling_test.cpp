// SPDX-License-Identifier: MIT
#include <earlyout/nn/scaling.hpp>

#include <cmath>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("no scaling takes no memory and changes nothing", "[nn][scaling]") {
    STATIC_REQUIRE(std::is_empty_v<eo::no_scaling>);
    std::vector<float> row{1, -2, 3};
    eo::no_scaling().embedding(row.data(), row.size());
    eo::no_scaling().logits(row.data(), row.size());
    eo::model_scaling(eo::no_scaling()).embedding(row.data(), row.size());
    eo::model_scaling(eo::no_scaling()).logits(row.data(), row.size());
    CHECK(row == std::vector<float>{1, -2, 3});
}

TEST_CASE("model scaling multiplies embeddings and limits logits", "[nn][scaling]") {
    const eo::model_scaling scaling(3.0f, 5.0f);
    std::vector<float> row{1, -2, 3};
    scaling.embedding(row.data(), row.size());
    CHECK(row == std::vector<float>{3, -6, 9});
    std::vector<float> logits;
    for (int i = -40; i < 40; ++i) logits.push_back(0.6f * static_cast<float>(i));
    std::vector<float> limited = logits;
    scaling.logits(limited.data(), limited.size());
    for (std::size_t i = 0; i < logits.size(); ++i) {
        INFO(logits[i]);
        CHECK(std::abs(limited[i] - 5.0f * std::tanh(logits[i] / 5.0f)) < 2e-6f);
    }
    // An element's bits do not depend on its place.
    for (std::size_t i = 0; i < logits.size(); ++i) {
        scaling.logits(&logits[i], 1);
        CHECK(logits[i] == limited[i]);
    }
}
