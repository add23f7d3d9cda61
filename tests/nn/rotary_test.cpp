// SPDX-License-Identifier: MIT
#include <earlyout/nn/rotary.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

TEST_CASE("positions rotate the planes of queries and keys", "[nn][rotary]") {
    constexpr std::size_t dim = 8, head_dim = 10;
    const std::vector<double> frequencies = eo::rotary_frequencies(dim, 10000.0);
    REQUIRE(frequencies.size() == dim / 2);
    CHECK_THAT(frequencies[1], WithinRel(0.1, 1e-12));
    const eo::rotary positions(frequencies, 131072);
    support::random_source random(1);
    for (const std::size_t position : {0u, 1u, 511u, 512u, 70001u, 131071u}) {
        const std::vector<float> q = random.floats(2 * head_dim), k = random.floats(head_dim);
        std::vector<float> queries = q, keys = k;
        positions(position, queries.data(), 2, keys.data(), 1, head_dim);
        const auto check = [&](const std::vector<float>& after, const std::vector<float>& before) {
            for (std::size_t head = 0; head < before.size() / head_dim; ++head) {
                const float* const x = before.data() + head * head_dim;
                const float* const y = after.data() + head * head_dim;
                for (std::size_t i = 0; i < dim / 2; ++i) {
                    const double angle = static_cast<double>(position) * frequencies[i];
                    CHECK_THAT(y[i], WithinAbs(x[i] * std::cos(angle) - x[i + 4] * std::sin(angle), 2e-6));
                    CHECK_THAT(y[i + 4], WithinAbs(x[i + 4] * std::cos(angle) + x[i] * std::sin(angle), 2e-6));
                }
                CHECK((y[8] == x[8] && y[9] == x[9]));  // beyond dim
            }
        };
        check(queries, q);
        check(keys, k);
        // Keys alone, as for a skipped layer, get the same bits.
        std::vector<float> alone = k;
        positions(position, nullptr, 0, alone.data(), 1, head_dim);
        CHECK(support::same_bits(alone, keys));
    }
}

TEST_CASE("Llama 3.1 slows down the planes that rotate slowly", "[nn][rotary]") {
    const eo::llama3_scaling scaling{8.0, 1.0, 4.0, 8192.0};
    const auto turns = [](double count) { return count * 2.0 * std::numbers::pi / 8192.0; };
    std::vector<double> frequencies{turns(100.0), turns(4.0), turns(2.5), turns(1.0), turns(0.1)};
    const std::vector<double> before = frequencies;
    scaling(frequencies);
    CHECK_THAT(frequencies[0], WithinRel(before[0], 1e-12));
    CHECK_THAT(frequencies[1], WithinRel(before[1], 1e-12));
    CHECK_THAT(frequencies[2], WithinRel(before[2] * (0.5 + 0.5 / 8.0), 1e-12));
    CHECK_THAT(frequencies[3], WithinRel(before[3] / 8.0, 1e-12));
    CHECK_THAT(frequencies[4], WithinRel(before[4] / 8.0, 1e-12));
}

TEST_CASE("heads that are too wide to rotate are refused", "[nn][rotary]") {
    const std::vector<double> frequencies(513);
    CHECK(support::error_of([&] { (void)eo::rotary(frequencies, 4); }) ==
          support::thrown(eo::errc::unsupported, {"at most 1024", "1026"}));
}

TEST_CASE("frequencies that are not finite are refused", "[nn][rotary]") {
    for (const double bad : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
        const std::vector<double> frequencies{1.0, bad};
        CHECK(support::error_of([&] { (void)eo::rotary(frequencies, 4); }) ==
              support::thrown(eo::errc::wrong_value, {"finite frequencies"}));
    }
}

TEST_CASE("a context of any length has small tables, and the same angles", "[nn][rotary]") {
    const std::vector<double> frequencies = eo::rotary_frequencies(8, 10000.0);
    const eo::rotary usual(frequencies, 4096), long_context(frequencies, std::size_t{1} << 26);
    for (const std::size_t position : {0u, 1u, 511u, 512u, 4000u}) {
        std::vector<float> a{1, 2, 3, 4, 5, 6, 7, 8}, b = a;
        usual(position, nullptr, 0, a.data(), 1, 8);
        long_context(position, nullptr, 0, b.data(), 1, 8);
        for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::fabs(a[i] - b[i]) < 1e-5f);
    }
    std::vector<float> x{1, 0, 0, 0, 0, 0, 0, 0};
    const std::size_t last = (std::size_t{1} << 26) - 1;
    long_context(last, nullptr, 0, x.data(), 1, 8);
    CHECK(std::fabs(x[0] - static_cast<float>(std::cos(static_cast<double>(last)))) < 1e-5f);
}

TEST_CASE("a magnitude multiplies rotated elements alone", "[nn][rotary]") {
    const std::vector<double> frequencies = eo::rotary_frequencies(4, 100.0);
    const eo::rotary plain(frequencies, 2000), larger(frequencies, 2000, 1.5);
    for (const std::size_t position : {0u, 7u, 511u, 1700u}) {
        std::vector<float> a{1, 2, 3, 4, 5, 6}, b = a;
        plain(position, a.data(), 1, nullptr, 0, 6);
        larger(position, b.data(), 1, nullptr, 0, 6);
        for (std::size_t i = 0; i < 4; ++i) CHECK(std::fabs(b[i] - 1.5f * a[i]) < 1e-5f);
        CHECK(b[4] == 5.0f);
        CHECK(b[5] == 6.0f);
    }
}

TEST_CASE("a magnitude that is not finite is refused", "[nn][rotary]") {
    for (const double bad : {0.0, -1.0, 1e9, std::numeric_limits<double>::quiet_NaN()}) {
        CHECK(support::error_of([&] { (void)eo::rotary(std::vector<double>{1.0}, 4, bad); }) ==
              support::thrown(eo::errc::wrong_value, {"magnitude"}));
    }
}

TEST_CASE("without frequencies positions change nothing", "[nn][rotary]") {
    const eo::rotary none(std::vector<double>(), 100);
    std::vector<float> x{1, 2, 3, 4};
    none(77, x.data(), 1, x.data() + 2, 1, 2);
    CHECK(x == std::vector<float>{1, 2, 3, 4});
}
