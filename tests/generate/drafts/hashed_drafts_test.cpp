// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/hashed_drafts.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "generate/drafts/drafter_checks.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::error_of;
using support::thrown;

static_assert(eo::drafter<eo::hashed_drafts>);

TEST_CASE("hashed_drafts drafts what last followed n tokens", "[generate][hashed_drafts]") {
    const eo::hashed_drafts d{.n = 2, .prior = 0.6f};
    auto state = eo::start_drafts(d, {.tokens = 30, .vocab = 10});
    const std::vector<eo::token_id> ids{1, 2, 3, 4, 5, 1, 2};
    d.append(ids, state);
    eo::draft made;
    d.propose(ids, state, made);
    // Down to 0.6^4 > 0.1.
    CHECK(std::vector(made.ids().begin(), made.ids().end()) == std::vector<eo::token_id>{3, 4, 5, 1});
    CHECK(made.probabilities()[0] == Approx(0.6f));
    CHECK(made.match() == 2);
    made.clear();
    d.propose(std::span(ids).first(1), state, made);
    CHECK(made.empty());
    // One entry met, and right: (0.6 * 8 + 1) / 9.
    d.append(std::vector<eo::token_id>{3}, state);
    d.propose(std::vector<eo::token_id>{2, 3}, state, made);
    CHECK(made.probabilities()[0] == Approx(5.8f / 9.0f));
}

TEST_CASE("hashed_drafts keeps a drafter's promises", "[generate][hashed_drafts]") {
    support::check_drafter(eo::hashed_drafts{});
    support::check_drafter(eo::hashed_drafts{.n = 1, .bits = 2, .min_probability = 0.3f});
    CHECK(error_of([] { static_cast<void>(eo::hashed_drafts{.n = 0}.start({})); }) ==
          thrown(eo::errc::invalid_argument, {"hashed_drafts", "found 0"}));
    CHECK(error_of([] { static_cast<void>(eo::hashed_drafts{.n = 17}.start({})); }) ==
          thrown(eo::errc::invalid_argument, {"16", "17"}));
}

TEST_CASE("a shared table of hashed_drafts is what all sequences appended", "[generate][hashed_drafts]") {
    const eo::hashed_drafts d{.n = 2, .shared = std::make_shared<eo::hashed_table>()};
    const eo::draft_limits limits{.tokens = 2000, .vocab = 50};
    {
        auto first = d.start(limits);
        d.append(std::vector<eo::token_id>{7, 8, 9}, first);
        d.rollback(0, first);
    }
    auto second = d.start(limits);
    const std::vector<eo::token_id> ids{7, 8};
    d.append(ids, second);
    eo::draft made;
    d.propose(ids, second, made);
    REQUIRE(made.size() == 1);
    CHECK(made.ids()[0] == 9);

    const auto run = [&](std::uint32_t seed) {
        support::random_source random(seed);
        auto state = d.start(limits);
        const std::vector<eo::token_id> tokens = random.tokens(2000, 50);
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            d.append(std::span(tokens).subspan(i, 1), state);
            eo::draft found;
            d.propose(std::span(tokens).first(i + 1), state, found);
        }
    };
    std::vector<std::thread> threads;
    for (std::uint32_t seed = 0; seed < 3; ++seed) threads.emplace_back(run, seed);
    for (std::thread& one : threads) one.join();
}
