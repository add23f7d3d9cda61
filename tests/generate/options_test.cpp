// SPDX-License-Identifier: MIT
#include <earlyout/generate/options.hpp>

#include <chrono>
#include <limits>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;

TEST_CASE("options without meaning are refused by name", "[generate][options]") {
    CHECK_NOTHROW(eo::check(eo::generate_options{}));
    const auto refused = [](auto change) {
        eo::generate_options options;
        change(options);
        return support::error_of([&] { eo::check(options); });
    };
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const auto wrong = [](std::string_view name) { return support::thrown(eo::errc::invalid_argument, {name}); };
    CHECK(refused([](auto& o) { o.temperature = -1.0f; }) == wrong("temperature"));
    CHECK(refused([&](auto& o) { o.temperature = nan; }) == wrong("temperature"));
    CHECK(refused([](auto& o) { o.top_p = 1.5f; }) == wrong("top_p"));
    CHECK(refused([&](auto& o) { o.min_p = nan; }) == wrong("min_p"));
    CHECK(refused([](auto& o) { o.repetition_penalty = 0.0f; }) == wrong("repetition_penalty"));
    CHECK(refused([](auto& o) { o.max_time = std::chrono::duration<double>(-1.0); }) == wrong("max_time"));
    CHECK(refused([](auto& o) { o.stop_strings = {"a", ""}; }) == wrong("stop strings"));
    CHECK(refused([](auto& o) { o.max_new_tokens = 0; }) == wrong("max_new_tokens"));
}

TEST_CASE("how much of a long prompt is kept", "[generate][options]") {
    eo::generate_options options;
    options.max_new_tokens = 10;
    CHECK(eo::kept_of_long_prompt(100, options) == 91);  // the last new token takes no position
    options.max_new_tokens = 1000;
    CHECK(eo::kept_of_long_prompt(100, options) == 76);  // a quarter is the most that is set aside
}
