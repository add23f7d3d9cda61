// SPDX-License-Identifier: MIT
#include <earlyout/nn/embedding.hpp>

#include <cstddef>
#include <span>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

TEST_CASE("an embedding gives back its rows", "[nn][embedding]") {
    support::random_source random(1);
    std::vector<float> rows = random.floats(7 * 5);
    const std::vector<float> kept = rows;
    const eo::embedding table(5, rows);
    rows.assign(rows.size(), 0.0f);  // it holds its own
    CHECK_FALSE(table.empty());
    CHECK(table.bytes() == 7 * 5 * sizeof(float));
    for (std::size_t i = 0; i < 7; ++i) {
        CHECK(support::same_bits(std::span(table.row(i), 5), std::span(kept).subspan(i * 5, 5)));
    }
}

TEST_CASE("an embedding may be absent", "[nn][embedding]") {
    CHECK(eo::embedding().empty());
    CHECK(eo::embedding().bytes() == 0);
}
