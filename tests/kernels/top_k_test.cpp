// SPDX-License-Identifier: MIT
#include <earlyout/kernels/top_k.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "support/archs.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

namespace {

std::vector<eo::token_id> plain_top_k(const std::vector<float>& x, std::size_t k) {
    std::vector<eo::token_id> order(x.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](eo::token_id a, eo::token_id b) {
        return x[static_cast<std::size_t>(a)] > x[static_cast<std::size_t>(b)];
    });
    order.resize(k);
    std::sort(order.begin(), order.end());
    return order;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("the k largest are those of a sort", "[kernels][top_k]", support::archs) {
    support::random_source random(1);
    const auto check = [](const std::vector<float>& x) {
        for (const std::size_t k : {1u, 2u, 7u, 64u, 100u, 333u, 1000u}) {
            if (k > x.size()) continue;
            CAPTURE(x.size(), k);
            std::vector<eo::token_id> room(2 * k);
            eo::kernels::find_top_k(x.data(), x.size(), k, room, TestType{});
            room.resize(k);
            REQUIRE(room == plain_top_k(x, k));
        }
    };
    for (const std::size_t n : {1u, 2u, 63u, 64u, 65u, 333u, 1000u, 4099u}) {
        std::vector<float> x = random.floats(n);
        check(x);
        for (float& value : x) value = static_cast<float>(static_cast<int>(value * 3.0f));  // many equal ones
        check(x);
        std::sort(x.begin(), x.end());
        check(x);
        std::reverse(x.begin(), x.end());
        check(x);
        for (std::size_t i = 0; i < n; i += 2) x[i] = -std::numeric_limits<float>::infinity();
        check(x);
    }
}

TEMPLATE_LIST_TEST_CASE("the k largest among NaNs are k different valid indices", "[kernels][top_k]", support::archs) {
    support::random_source random(2);
    for (int round = 0; round < 300; ++round) {
        const std::size_t n = 1 + random.index(300), k = 1 + random.index(n);
        std::vector<float> x = random.floats(n);
        for (float& value : x) {
            if (random.index(3) == 0) value = std::numeric_limits<float>::quiet_NaN();
        }
        std::vector<eo::token_id> room(2 * k);
        eo::kernels::find_top_k(x.data(), n, k, room, TestType{});
        room.resize(k);
        REQUIRE(std::ranges::adjacent_find(room, std::greater_equal{}) == room.end());
        REQUIRE((room.front() >= 0 && static_cast<std::size_t>(room.back()) < n));
    }
}
