// SPDX-License-Identifier: MIT
#include <earlyout/generate/prompt.hpp>

#include <cstddef>
#include <span>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;

TEST_CASE("the capacity comes from the options or the model's context, at most 4096 by default", "[generate][prompt]") {
    CHECK(eo::resolved_capacity(small_network(), {}) == 64);
    CHECK(eo::resolved_capacity(small_network(), {.capacity = 7}) == 7);
    CHECK(error_of([] { (void)eo::resolved_capacity(small_network(), {.capacity = 65}); }) ==
          thrown(eo::errc::out_of_range, {"capacity", "64", "65"}));
    const auto long_context = random_gpt2({.layers = 1, .d_model = 4, .heads = 1, .vocab = 5, .context = 5000}, 1);
    CHECK(eo::resolved_capacity(long_context, {}) == 4096);
    CHECK(eo::resolved_capacity(long_context, {.capacity = 5000}) == 5000);
}

TEST_CASE("a prompt is checked, and cut only if it does not fit and cutting is allowed", "[generate][prompt]") {
    std::vector<eo::token_id> cut;
    const ids five{1, 2, 3, 4, 5};
    const auto prepared = [&](const ids& prompt, std::size_t capacity, const eo::generate_options& options) {
        const auto made = eo::prepare_prompt(small_network(), std::span(prompt), capacity, options, cut);
        return ids(made.begin(), made.end());
    };
    CHECK(prepared(five, 5, {}) == five);
    CHECK(prepared(five, 5, {.max_new_tokens = 100, .cut_prompt = true}) == five);
    CHECK(prepared(five, 4, {.max_new_tokens = 1, .cut_prompt = true}) == ids{2, 3, 4, 5});
    CHECK(error_of([&] { (void)prepared(five, 4, {}); }) ==
          thrown(eo::errc::out_of_range, {"prompt", "at most 4 tokens", "found 5", "larger capacity"}));
    CHECK(error_of([&] { (void)prepared({}, 4, {}); }) == thrown(eo::errc::invalid_argument, {"prompt"}));
    CHECK(error_of([&] { (void)prepared({1, 97}, 4, {}); }) == thrown(eo::errc::out_of_range, {"0 .. 96", "97"}));
    CHECK(error_of([&] { (void)prepared({-1}, 4, {}); }) == thrown(eo::errc::out_of_range, {"-1"}));
}

TEST_CASE("the prefix that a prompt shares with a sequence is reused as far as it is exact", "[generate][prompt]") {
    eo::sequence held(small_network().shape(), 10);
    for (const eo::token_id id : {1, 2, 3, 4}) held.push(small_network(), id);
    const auto reused = [&](const ids& prompt) { return eo::reusable_prefix(held, std::span(prompt)); };
    CHECK(reused({1, 2, 9}) == 2);
    CHECK(reused({1, 2, 3, 4, 5}) == 4);
    CHECK(reused({1, 2, 3, 4}) == 3);  // the last token is run again to predict from it
    CHECK(reused({9}) == 0);
    held.mark_inexact(1);
    CHECK(reused({1, 2, 3, 4, 5}) == 1);
}
