// SPDX-License-Identifier: MIT
#include <earlyout/generate/runner.hpp>

#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;

TEST_CASE("a runner predicts, takes back, and counts, without text", "[generate][runner]") {
    eo::runner run(small_network(), eo::full_depth(), 20, {});
    CHECK_FALSE(run.completion().has_started());
    const ids prompt{5, 17, 3};
    run.start(prompt, {.max_new_tokens = 6}, run.initial_gates());
    CHECK(run.completion().has_started());
    ids produced;
    for (int i = 0; i < 6; ++i) {
        const auto made = run.next();
        REQUIRE(made);
        run.completion().accept(*made);
        produced.push_back(made->token);
    }
    eo::session whole{small_network()};
    CHECK(whole.complete(prompt, {.max_new_tokens = 6}).ids == produced);
    CHECK(run.stats().new_tokens == 6);
    CHECK(run.stats().prompt_tokens == 3);

    run.rollback(2);
    CHECK(run.completion().ids() == std::vector(produced.begin(), produced.begin() + 2));
    const auto again = run.next();
    REQUIRE(again);
    CHECK(again->token == produced[2]);
    run.rollback(0);
    CHECK(run.next()->token == produced[0]);
    CHECK(support::error_of([] { eo::runner(small_network(), eo::full_depth(), 20, {.block = 0}); }).code ==
          "invalid_argument");
}

TEST_CASE("a runner is full where no position is left", "[generate][runner]") {
    eo::runner run(small_network(), eo::full_depth(), 4, {});
    const ids prompt{5, 17, 3};
    run.start(prompt, {.max_new_tokens = 9}, run.initial_gates());
    std::size_t made = 0;
    while (const auto p = run.next()) {
        run.completion().accept(*p);
        ++made;
    }
    CHECK(made == 2);
    CHECK(run.completion().is_full());
}
