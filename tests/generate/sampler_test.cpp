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
#include <string_view>
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

namespace {

using filter = eo::sample_filter;

/// The share of each token among draws.
std::map<eo::token_id, double> shares(const std::vector<float>& logits, const std::vector<eo::token_id>& history,
                                      const eo::generate_options& o, int draws = 20000) {
    eo::sampler sampler(logits.size());
    std::map<eo::token_id, double> found;
    for (int i = 0; i < draws; ++i) {
        found[sampler(logits, history, o, static_cast<std::uint64_t>(i))] += 1.0 / draws;
    }
    return found;
}
std::vector<float> logits_of(const std::vector<double>& probabilities) {
    std::vector<float> made;
    for (const double p : probabilities) made.push_back(static_cast<float>(std::log(p)) + 3.0f);
    return made;
}
eo::infill_vocabulary vocabulary(const std::vector<std::string_view>& pieces, std::vector<eo::token_id> ends) {
    eo::infill_vocabulary made{pieces, std::vector<std::uint8_t>(pieces.size()), ends.front()};
    for (const eo::token_id id : ends) made.ends[static_cast<std::size_t>(id)] = 1;
    return made;
}

}  // namespace

TEST_CASE("filters in the fixed order draw the same tokens as no order", "[generate][sampler]") {
    std::mt19937 engine(7);
    const std::vector<float> logits = random_logits(engine, 60);
    eo::generate_options o{.temperature = 0.8f, .top_k = 12, .top_p = 0.8f, .min_p = 0.05f, .repetition_penalty = 1.5f};
    const std::vector<eo::token_id> history{3, 3, 7, 19};
    eo::generate_options ordered = o;
    ordered.filters = {filter::penalties, filter::temperature, filter::top_k, filter::top_p, filter::min_p};
    eo::sampler a(60), b(60);
    int different = 0;
    for (std::uint64_t i = 0; i < 2000; ++i) different += a(logits, history, o, i) != b(logits, history, ordered, i);
    CHECK(different <= 2);  // rounding
}

TEST_CASE("the order of filters matters, and those that are not named are not applied", "[generate][sampler]") {
    const std::vector<float> logits = logits_of({0.5, 0.3, 0.2});
    eo::generate_options o{.temperature = 0.25f, .top_p = 0.6f};
    o.filters = {filter::top_p, filter::temperature};
    CHECK(shares(logits, {}, o).size() == 2);  // 0.5 + 0.3
    o.filters = {filter::temperature, filter::top_p};
    CHECK(shares(logits, {}, o).size() == 1);  // 0.5^4 is more than 0.6 of the sum
    o.filters = {filter::top_k};
    o.top_k = 2;
    const auto untempered = shares(logits, {}, o);
    CHECK(untempered.size() == 2);
    CHECK(std::abs(untempered.at(0) - 0.625) < 0.02);

    o = {.temperature = 0.0f, .repetition_penalty = 100.0f};
    const std::vector<eo::token_id> history{0};
    o.filters = {filter::top_k};
    CHECK(shares(logits, history, o).size() == 3);  // neither temperature nor penalty
    CHECK_FALSE(eo::sampler::takes_argmax(o));
    o.filters = {filter::penalties, filter::temperature};
    CHECK(shares(logits, history, o).contains(1));
    CHECK_FALSE(eo::sampler::takes_argmax(o));
    o.filters = {filter::temperature};
    CHECK(shares(logits, history, o) == shares(logits, history, {.temperature = 0.0f}));
    CHECK(eo::sampler::takes_argmax(o));

    // A penalty behind others is that of the logit.
    o = {.top_p = 0.9f, .repetition_penalty = 2.0f};
    o.filters = {filter::top_p, filter::penalties};
    const auto penalised = shares({2.0f, 1.0f, -9.0f}, history, o);
    CHECK(std::abs(penalised.at(0) - 0.5) < 0.02);
}

TEST_CASE("the infill filter ends a middle early and merges texts that begin alike", "[generate][sampler][infill]") {
    const eo::infill_vocabulary words = vocabulary({"a", "ab", "x", "", ""}, {3, 4});
    eo::generate_options o{.temperature = 0.0f};
    o.filters = {filter::infill};
    o.infill = &words;
    CHECK_FALSE(eo::sampler::takes_argmax(o));
    // 3 * 5 * 0.07 > 0.93: an end.
    const auto ended = shares(logits_of({0.5, 0.2, 0.23, 0.05, 0.02}), {}, o);
    CHECK(ended.size() == 2);
    CHECK(std::abs(ended.at(3) - 5.0 / 7) < 0.02);
    // a takes ab's probability; x is above 0.2 but below 1 / 3 of what is left.
    CHECK(shares(logits_of({0.45, 0.3, 0.249, 1e-9, 1e-9}), {}, o).size() == 1);
    // The likelier of the two takes it, which need not be the shorter.
    CHECK(shares(logits_of({0.3, 0.45, 0.249, 1e-9, 1e-9}), {}, o).begin()->first == 1);
    // Both stay when both are likely.
    CHECK(shares(logits_of({0.4, 0.1, 0.499, 1e-9, 1e-9}), {}, o).size() == 2);

    // No text is likely enough: the end, unless it is forbidden.
    const eo::infill_vocabulary many = vocabulary({"a", "b", "c", "d", "e", "f", ""}, {6});
    o.infill = &many;
    std::vector<float> flat = logits_of({0.17, 0.16, 0.16, 0.16, 0.16, 0.16, 1e-9});
    CHECK(shares(flat, {}, o).begin()->first == 6);
    flat[6] = -std::numeric_limits<float>::infinity();
    CHECK(shares(flat, {}, o).begin()->first == 0);

    // With top_k and temperature around it.
    o.filters = {filter::top_k, filter::infill, filter::temperature};
    o.top_k = 1;
    CHECK(shares(flat, {}, o).size() == 1);
    o.infill = nullptr;
    CHECK(error_of([&] { eo::check(o); }) == thrown(eo::errc::invalid_argument, {"infill", "found none"}));
}

TEST_CASE("for any logits and order of filters, a draw is a token that is not masked", "[generate][sampler]") {
    std::mt19937 engine(9);
    const auto one_of = [&](const auto& values) { return values[engine() % values.size()]; };
    const float inf = std::numeric_limits<float>::infinity();
    const std::vector<filter> all{filter::penalties, filter::temperature, filter::top_k,
                                  filter::top_p,     filter::min_p,       filter::infill};
    for (int round = 0; round < 20000; ++round) {
        const std::size_t vocab = 1 + engine() % 90;
        std::vector<float> logits = random_logits(engine, vocab);
        for (std::size_t left = engine() % 4; left != 0; --left) {
            logits[engine() % vocab] = one_of(std::vector<float>{-inf, 3.4e38f, -3.4e38f, 0.0f, 1e-45f});
        }
        if (std::ranges::all_of(logits, [&](float x) { return x == -inf; })) continue;
        std::vector<eo::token_id> history(engine() % 5);
        for (auto& id : history) id = static_cast<eo::token_id>(engine() % vocab);
        eo::infill_vocabulary words{{}, {}, static_cast<eo::token_id>(engine() % vocab)};
        for (std::size_t i = 0; i < vocab; ++i) {
            words.pieces.push_back(one_of(std::vector<std::string_view>{"", "a", "ab", "b", "abc"}));
            words.ends.push_back(engine() % 8 == 0 ? 1 : 0);
        }
        eo::generate_options o{.temperature = one_of(std::vector<float>{0.0f, 1e-45f, 0.7f, 1.0f, 1e30f}),
                               .top_k = engine() % 3 == 0 ? engine() % 50 : 0,
                               .top_p = one_of(std::vector<float>{0.0f, 1e-45f, 0.5f, 0.99f, 1.0f}),
                               .min_p = one_of(std::vector<float>{0.0f, 1e-30f, 0.1f, 1.0f}),
                               .repetition_penalty = one_of(std::vector<float>{1.0f, 1e-38f, 0.5f, 2.0f, 1e38f}),
                               .seed = engine()};
        for (std::size_t left = 1 + engine() % 7; left != 0; --left) o.filters.push_back(one_of(all));
        o.infill = &words;
        eo::sampler sampler(vocab);
        CAPTURE(round, logits, o.temperature, o.top_k, o.top_p, o.min_p, o.repetition_penalty);
        const eo::token_id id = sampler(logits, history, o, engine());
        REQUIRE((id >= 0 && static_cast<std::size_t>(id) < vocab));
        REQUIRE(logits[static_cast<std::size_t>(id)] != -inf);
    }
}
