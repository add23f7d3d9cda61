// SPDX-License-Identifier: MIT
#include <earlyout/generate/sampler.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using support::error_of;
using support::thrown;

namespace {

/// Hugging Face's logits processors, one after the other as their documentation defines them, in double.
std::map<eo::token_id, double> distribution_of(std::vector<double> logits, const std::vector<eo::token_id>& history,
                                               const eo::generate_options& o) {
    const std::set<eo::token_id> seen(history.begin(), history.end());
    for (const eo::token_id id : seen) {
        double& l = logits[static_cast<std::size_t>(id)];
        l = l < 0 ? l * o.repetition_penalty : l / o.repetition_penalty;
    }
    for (double& l : logits) l /= o.temperature;
    std::vector<eo::token_id> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    const auto logit = [&](eo::token_id id) { return logits[static_cast<std::size_t>(id)]; };
    std::ranges::stable_sort(order, std::greater{}, logit);
    const auto normalised = [&] {
        std::map<eo::token_id, double> p;
        double sum = 0;
        for (const eo::token_id id : order) sum += std::exp(logit(id) - logit(order[0]));
        for (const eo::token_id id : order) p[id] = std::exp(logit(id) - logit(order[0])) / sum;
        return p;
    };
    if (o.top_k != 0 && o.top_k < order.size()) {
        const double least = logit(order[o.top_k - 1]);
        std::erase_if(order, [&](eo::token_id id) { return logit(id) < least; });
    }
    if (o.top_p < 1) {
        const auto p = normalised();
        double before = 0;
        std::vector<eo::token_id> kept;
        for (const eo::token_id id : order) {
            if (before < o.top_p) kept.push_back(id);
            before += p.at(id);
        }
        order = kept;
    }
    if (o.min_p > 0) {
        const auto p = normalised();
        const double least = o.min_p * p.at(order[0]);
        std::erase_if(order, [&](eo::token_id id) { return p.at(id) < least; });
    }
    return normalised();
}

std::vector<float> random_logits(std::mt19937& engine, std::size_t n) {
    std::normal_distribution<float> normal(0.0f, 2.0f);
    std::vector<float> made(n);
    for (float& x : made) x = normal(engine);
    return made;
}

}  // namespace

TEST_CASE("sampling draws from the distribution that Hugging Face's processors define", "[generate][sampler]") {
    std::mt19937 engine(1);
    const std::vector<eo::generate_options> cases{
        {.temperature = 1.0f},
        {.temperature = 0.6f, .top_k = 5},
        {.temperature = 1.5f, .top_p = 0.7f},
        {.temperature = 1.0f, .min_p = 0.2f},
        {.temperature = 0.8f, .top_k = 12, .top_p = 0.8f, .min_p = 0.05f, .repetition_penalty = 1.5f},
        {.temperature = 1.0f, .repetition_penalty = 0.7f},
    };
    constexpr std::size_t vocab = 20;
    constexpr int draws = 20000;
    for (std::size_t c = 0; c < cases.size(); ++c) {
        INFO("case " << c);
        const std::vector<float> logits = random_logits(engine, vocab);
        const std::vector<eo::token_id> history{3, 3, 7, 19};
        const auto expected = distribution_of(std::vector<double>(logits.begin(), logits.end()), history, cases[c]);
        eo::sampler sampler(vocab);
        std::vector<int> counts(vocab);
        for (int i = 0; i < draws; ++i) {
            ++counts[static_cast<std::size_t>(sampler(logits, history, cases[c], static_cast<std::uint64_t>(i)))];
        }
        double chi_square = 0;
        int cells = 0;
        for (std::size_t id = 0; id < vocab; ++id) {
            const auto found = expected.find(static_cast<eo::token_id>(id));
            if (found == expected.end()) {
                CHECK(counts[id] == 0);
                continue;
            }
            const double mean = draws * found->second;
            if (mean < 5) continue;
            chi_square += (counts[id] - mean) * (counts[id] - mean) / mean;
            ++cells;
        }
        // Five standard deviations above the mean of a chi-square distribution; the seed is fixed.
        CHECK(chi_square < cells + 5 * std::sqrt(2.0 * cells));
    }
}

TEST_CASE("temperature 0 and top_k 1 select the most likely token after the penalty", "[generate][sampler]") {
    eo::sampler sampler(4);
    const std::vector<float> logits{1.0f, 3.0f, 2.9f, -1.0f};
    const std::vector<eo::token_id> none;
    const std::vector<eo::token_id> history{1, 1};
    CHECK(sampler(logits, none, {.temperature = 0.0f, .repetition_penalty = 1.1f}, 0) == 1);
    CHECK(sampler(logits, history, {.temperature = 0.0f, .repetition_penalty = 1.1f}, 0) == 2);
    CHECK(sampler(logits, none, {.temperature = 2.0f, .top_k = 1}, 0) == 1);
}

TEST_CASE("draws depend on seed and number, and on nothing else", "[generate][sampler]") {
    std::mt19937 engine(2);
    const std::vector<float> logits = random_logits(engine, 50);
    const auto draw = [&](eo::sampler& s, std::uint64_t seed, std::uint64_t number) {
        return s(logits, {}, {.temperature = 1.0f, .seed = seed}, number);
    };
    eo::sampler used(50);
    std::size_t different = 0;
    for (std::uint64_t i = 0; i < 100; ++i) (void)draw(used, 1, i);
    for (std::uint64_t i = 0; i < 100; ++i) {
        eo::sampler fresh(50);
        CHECK(draw(used, 7, i) == draw(fresh, 7, i));
        different += draw(used, 7, i) != draw(used, 8, i) ? 1 : 0;
    }
    CHECK(different > 50);
}

TEST_CASE("draws are finite for extreme logits", "[generate][sampler]") {
    eo::sampler sampler(3);
    const std::vector<float> logits{-3e38f, 3e38f, 0.0f};
    CHECK(sampler(logits, {}, {.temperature = 1e-30f}, 0) == 1);
    CHECK(sampler(logits, {}, {.temperature = 0.5f, .top_p = 1e-9f}, 0) == 1);
    CHECK(sampler(logits, {}, {.temperature = 1.0f, .min_p = 1.0f}, 0) == 1);
}

TEST_CASE("invalid options are refused by name", "[generate][options]") {
    const auto checking = [](const eo::generate_options& o) { return error_of([&] { eo::check(o); }); };
    CHECK(checking({}).code == "none");
    CHECK(checking({.temperature = -0.1f}) == thrown(eo::errc::invalid_argument, {"temperature", "-0.1"}));
    CHECK(checking({.temperature = std::nanf("")}) == thrown(eo::errc::invalid_argument, {"temperature", "nan"}));
    CHECK(checking({.top_p = 0.0f}).code == "none");
    CHECK(checking({.top_p = -0.1f}) == thrown(eo::errc::invalid_argument, {"top_p", "-0.1"}));
    CHECK(checking({.top_p = 1.1f}) == thrown(eo::errc::invalid_argument, {"top_p", "1.1"}));
    CHECK(checking({.min_p = -1.0f}) == thrown(eo::errc::invalid_argument, {"min_p", "-1"}));
    CHECK(checking({.repetition_penalty = 0.0f}) == thrown(eo::errc::invalid_argument, {"repetition_penalty"}));
    CHECK(checking({.max_new_tokens = 0}) == thrown(eo::errc::invalid_argument, {"max_new_tokens"}));
}

TEST_CASE("for any logits, a draw is a token that is not masked, or an error", "[generate][sampler]") {
    std::mt19937 engine(5);
    const float inf = std::numeric_limits<float>::infinity();
    const std::vector<float> rare{
        std::numeric_limits<float>::quiet_NaN(), inf, -inf, -inf, 3.4e38f, -3.4e38f, 0.0f, -0.0f, 1e-45f};
    const auto one_of = [&](const auto& values) { return values[engine() % values.size()]; };
    std::size_t refused = 0, drawn = 0;
    for (int round = 0; round < 30000; ++round) {
        const std::size_t vocab = 1 + engine() % 40;
        std::vector<float> logits = random_logits(engine, vocab);
        const bool all_masked = engine() % 16 == 0;
        for (std::size_t left = engine() % 4; left != 0; --left) logits[engine() % vocab] = one_of(rare);
        if (all_masked) std::ranges::fill(logits, -inf);
        std::vector<eo::token_id> history(engine() % 5);
        for (auto& id : history) id = static_cast<eo::token_id>(engine() % vocab);
        const eo::generate_options o{.temperature = one_of(std::vector<float>{0.0f, 1e-45f, 1e-30f, 0.7f, 1.0f, 1e30f}),
                                     .top_k = engine() % 3 == 0 ? engine() % 50 : 0,
                                     .top_p = one_of(std::vector<float>{0.0f, 1e-45f, 0.5f, 0.99f, 1.0f}),
                                     .min_p = one_of(std::vector<float>{0.0f, 1e-30f, 0.1f, 1.0f}),
                                     .repetition_penalty = one_of(std::vector<float>{1.0f, 1e-38f, 0.5f, 2.0f, 1e38f}),
                                     .seed = engine()};
        REQUIRE(error_of([&] { eo::check(o); }).code == "none");
        const bool numbers = std::ranges::all_of(logits, [&](float x) { return x < inf; }) &&
                             std::ranges::any_of(logits, [](float x) { return std::isfinite(x); });
        eo::sampler sampler(vocab);
        eo::token_id id = -1;
        const auto found = error_of([&] { id = sampler(logits, history, o, engine()); });
        CAPTURE(round, logits, o.temperature, o.top_k, o.top_p, o.min_p, o.repetition_penalty);
        REQUIRE(found.code == (numbers ? "none" : "wrong_value"));
        if (!numbers) {
            ++refused;
            continue;
        }
        ++drawn;
        REQUIRE((id >= 0 && static_cast<std::size_t>(id) < vocab));
        REQUIRE(logits[static_cast<std::size_t>(id)] != -inf);
    }
    CHECK(refused > 3000);
    CHECK(drawn > 10000);
    eo::sampler sampler(3);
    CHECK(error_of([&] { (void)sampler(std::vector<float>(4), {}, {}, 0); }) ==
          thrown(eo::errc::invalid_argument, {"logits", "expected 3", "found 4"}));
    CHECK(error_of([&] {
              (void)sampler(std::vector<float>(3), std::vector<eo::token_id>{3}, {.repetition_penalty = 2.0f}, 0);
          }) == thrown(eo::errc::out_of_range, {"history", "0 .. 2", "found 3"}));
}
