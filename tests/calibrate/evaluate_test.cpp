// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/evaluate.hpp>

#include <earlyout/generate/session.hpp>

#include <random>
#include <string>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using Catch::Matchers::WithinAbs;

namespace {

constexpr auto spell = [](std::span<const eo::token_id> ids) {
    std::string text;
    for (const eo::token_id id : ids) text += static_cast<char>('0' + id % 75);
    return text;
};

/// A completion with given contents.
eo::completion made_up(std::vector<eo::token_id> ids, double seconds, std::vector<std::size_t> exit_layers,
                       std::size_t stop_layer = 0) {
    eo::completion c;
    c.stats.layers = 4;
    c.stats.new_tokens = ids.size();
    c.stats.exit_histogram.assign(5, 0);
    for (const std::size_t layer : exit_layers) ++c.stats.exit_histogram[layer];
    if (stop_layer != 0) {
        ++c.stats.exit_histogram[stop_layer];
        c.finish_reason = eo::finish_reason::stopped_by_gate;
    }
    c.stats.prefill_seconds = 1.0;
    c.stats.decode_seconds = seconds;
    c.stats.prefill.layer_tokens = 4;
    for (const std::size_t layer : exit_layers) c.stats.decode.layer_tokens += layer;
    c.ids = std::move(ids);
    c.exit_layers = std::move(exit_layers);
    return c;
}

}  // namespace

TEST_CASE("full depth against itself loses nothing", "[calibrate][evaluate]") {
    const auto& network = support::small_network();
    std::mt19937 engine(1);
    std::vector<calibrate::sample> samples;
    for (int i = 0; i < 12; ++i) {
        samples.push_back({support::random_prompt(engine, 20), support::random_prompt(engine, 5), "random"});
    }
    eo::session a{network}, b{network};
    const auto with = [](auto& s) {
        return [&s](std::span<const eo::token_id> prompt, const eo::generate_options& options) {
            return s.complete(prompt, options);
        };
    };
    const auto both = calibrate::evaluate_pair(samples, with(a), with(b), spell);
    CHECK(both.rouge_l_loss() == 0.0);
    CHECK(both.agreement() == 1.0);
    CHECK(both.early.layers_skipped() == 0.0);
    CHECK(both.early.predictions == 60);
    CHECK(both.early.new_tokens == 60);
    CHECK(both.early.layer_tokens == both.full.layer_tokens);
    CHECK(both.early.head_seconds > 0.0);
    CHECK(both.decode_speedup() > 0.0);
}

TEST_CASE("the two sides take turns in running first, however few the samples", "[calibrate][evaluate]") {
    const std::vector<calibrate::sample> samples(7, {{1}, {1, 2}, "a"});
    std::string order;
    const auto side = [&](char name) {
        return [&order, name](std::span<const eo::token_id>, const eo::generate_options&) {
            order += name;
            return made_up({1, 2}, 1.0, {4, 4});
        };
    };
    (void)calibrate::evaluate_pair(samples, side('e'), side('f'), spell);
    CHECK(order == "effeeffeeffeef");
}

TEST_CASE("early exits are evaluated against full depth and the true text", "[calibrate][evaluate]") {
    const std::vector<calibrate::sample> samples{{{1}, {1, 2, 3, 4}, "a"}, {{1}, {5, 6, 7, 8}, "b"}};
    std::vector<eo::completion> early{made_up({1, 2, 9, 9}, 1.0, {4, 2, 2, 4}), made_up({5, 6}, 0.5, {4, 2}, 3)};
    std::vector<eo::completion> full{made_up({1, 2, 3, 9}, 3.0, {4, 4, 4, 4}),
                                     made_up({5, 6, 0, 0}, 3.0, {4, 4, 4, 4})};
    std::size_t early_calls = 0, full_calls = 0;
    const auto both = calibrate::evaluate_pair(
        samples, [&](auto, const auto&) { return early[early_calls++]; },
        [&](auto, const auto&) { return full[full_calls++]; }, spell);

    CHECK_THAT(both.early.rouge_l, WithinAbs(0.5 + 2.0 * 2 / 6, 1e-12));
    CHECK_THAT(both.full.rouge_l, WithinAbs(0.75 + 0.5, 1e-12));
    CHECK_THAT(both.rouge_l_loss(), WithinAbs((1.25 - 7.0 / 6) / 1.25, 1e-12));
    CHECK_THAT(both.agreement(), WithinAbs(4.0 / 6, 1e-12));
    CHECK(both.early.stops == 1);
    CHECK_THAT(both.early.mean_exit_layer(), WithinAbs((4 + 2 + 2 + 4 + 4 + 2 + 3) / 7.0, 1e-12));
    // Seconds per step: sample a 1/3 against 1, sample b 0.25 against 1.
    CHECK_THAT(both.decode_speedup(), WithinAbs(3.5, 1e-12));
    CHECK_THAT(both.request_speedup(), WithinAbs((2.0 + 4.0 / 1.5) / 2, 1e-12));
    CHECK_THAT(both.work_saved(), WithinAbs(1.0 - (4 + 12 + 4 + 6) / 40.0, 1e-12));
    // The second completion was stopped after two tokens and full depth's third is wrong; the first should have been
    // stopped before its fourth.
    const calibrate::confusion_counts stops = both.stops(samples);
    CHECK(stops.true_positives == 1);
    CHECK(stops.false_positives == 0);
    CHECK(stops.false_negatives == 1);
}

TEST_CASE("a stop before a correct token is a false positive", "[calibrate][evaluate]") {
    const std::vector<calibrate::sample> samples{{{1}, {5, 6}, "a"}};
    const auto both = calibrate::evaluate_pair(
        samples, [](auto, const auto&) { return made_up({5}, 0.5, {4}, 2); },
        [](auto, const auto&) {
            return made_up({5, 6}, 1.0, {4, 4});
        },
        spell);
    CHECK(both.stops(samples).false_positives == 1);
}
