// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/observe.hpp>

#include <earlyout/calibrate/bytes.hpp>
#include <earlyout/core/executor.hpp>

#include <span>
#include <string>

#include "calibrate/fitted_model.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

TEST_CASE("every layer's exit is observed, with the decisions of the fitted gates", "[calibrate][observe]") {
    support::fitted_model model;
    eo::exit_weights exits("file");
    exits.set_model(support::fitted_to()).set_layers({2});
    exits.set("learn-to-exit.2.weight", {1, 20}, std::vector<float>(20, 0.1f));
    exits.set("sec.weight", {3, 20}, std::vector<float>(60, 0.05f));
    model.set_exits(std::move(exits));
    eo::inline_executor on;
    const auto texts = support::random_texts(20, 30);
    const calibrate::observation all = calibrate::observe(model, {}, texts, on);
    CHECK(all.accuracy.tokens == 20 * 29);
    CHECK(all.accuracy.layers.size() == 6);
    CHECK(all.exits.size() == 6);
    CHECK(all.exits[0].max_probability.size() == 20 * 29);
    CHECK(all.has_sec);
    std::vector<std::string> names;
    for (const calibrate::decision_sweep& d : all.decisions) names.push_back(d.gate + " " + d.decision);
    CHECK(names == std::vector<std::string>{"margin exit", "max-probability exit", "learn-to-exit exit", "sec exit",
                                            "sec stop"});
    // At a threshold of 0 every margin is enough: all actual positives are predicted.
    CHECK(all.decisions[0].thresholds.front() == 0.0f);
    CHECK(all.decisions[0].counts.front().recall() == 1.0);

    // The parts of the texts, wherever they are observed, merge to the same bits.
    calibrate::observation merged;
    for (std::size_t s = 0; s < calibrate::shard_count; ++s) {
        const auto shard = calibrate::shard_of(std::span<const calibrate::corpus_text>(texts), s);
        const calibrate::observation part = calibrate::observe(model, {}, {shard.begin(), shard.end()}, on);
        merged += calibrate::from_bytes<calibrate::observation>(calibrate::to_bytes(part));
    }
    CHECK(merged.accuracy.cross_entropy == all.accuracy.cross_entropy);
    CHECK(merged.exits[3].margin.brier_score() == all.exits[3].margin.brier_score());
    CHECK(merged.decisions[3].counts[2].precision() == all.decisions[3].counts[2].precision());
    const support::fitted_model without;
    const calibrate::observation other = calibrate::observe(without, {}, texts, on);
    CHECK(support::error_of([&] { merged += other; }) == support::thrown(eo::errc::mismatch, {"5 decisions", "2"}));
}

TEST_CASE("what every layer would have predicted at each token", "[calibrate][observe]") {
    const support::fitted_model model;
    const std::vector<eo::token_id> prompt{1, 2, 3, 4}, produced{5, 6};
    const auto predicted = calibrate::predictions_of_layers(model, {}, prompt, produced);
    REQUIRE(predicted.size() == 3);
    REQUIRE(predicted[0].size() == 6);
    eo::session full{support::small_network()};
    CHECK(predicted[0][5] == full.complete(prompt, {.max_new_tokens = 1}).ids.front());
    CHECK(calibrate::predictions_of_layers(model, {}, {}, produced).empty());
}
