// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/exit_accuracy.hpp>
#include <earlyout/calibrate/recompute_outputs.hpp>
#include <earlyout/exit/gates/jei_dnn.hpp>
#include <earlyout/exit/heads/shared_head.hpp>

#include <earlyout/core/thread_pool.hpp>
#include <earlyout/exit/heads/own_head.hpp>

#include <algorithm>
#include <random>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

TEST_CASE("recomputed outputs equal those observed through that head", "[calibrate][recompute_outputs]") {
    const auto& network = support::small_network();
    support::random_source random(1);
    eo::exit_weights exits;
    exits.set_model({6, 20, 97, "", "f32"});
    exits.set("head.2.weight", {97, 20}, random.floats(97 * 20));
    const eo::own_head head(exits);
    eo::thread_pool two(2);
    std::mt19937 engine(3);
    const std::vector<calibrate::corpus_text> texts{{"random", 1, support::random_prompt(engine, 400)}};
    calibrate::calibration_set again, direct;
    calibrate::collector shared(network, {2, 4}, 64, two);
    REQUIRE(shared.run(texts, [&](const calibrate::window_observation& w) { again.add(w); }));
    calibrate::collector through(network, {2, 4}, 64, two, head);
    REQUIRE(through.run(texts, [&](const calibrate::window_observation& w) { direct.add(w); }));
    std::size_t changed = 0;
    for (std::size_t i = 0; i < again.size(); ++i) changed += again.argmax(0, i) != direct.argmax(0, i);
    CHECK(changed > again.size() / 5);

    std::size_t reported = 0;
    CHECK(calibrate::recompute_outputs(again, network, head, two, {}, [&](std::size_t done) { reported = done; }));
    CHECK(reported == 2 * again.size());
    for (std::size_t e = 0; e < 3; ++e) {
        for (std::size_t i = 0; i < again.size(); ++i) {
            REQUIRE(again.argmax(e, i) == direct.argmax(e, i));
            REQUIRE(again.cross_entropy(e, i) == direct.cross_entropy(e, i));
            REQUIRE(again.jei_features(e, i) == direct.jei_features(e, i));
        }
    }
    calibrate::exit_accuracy by_window, by_token;
    (void)through.run(texts, [&](const calibrate::window_observation& w) { by_window.add(w); });
    by_token.add(again);
    CHECK(by_token.right == by_window.right);
    CHECK(by_token.first_agrees == by_window.first_agrees);
    std::stop_source cancel;
    cancel.request_stop();
    CHECK_FALSE(calibrate::recompute_outputs(again, network, eo::shared_head{}, two, cancel.get_token()));
}

TEST_CASE("features kept for jei_dnn are those that its gates read", "[calibrate][recompute_outputs]") {
    const auto logits = support::random_source(7).floats(97, 2.0f);
    const auto output = calibrate::exit_output::of(logits);
    const std::array<float, 4> features{output.max_probability, output.entropy, output.margin, output.square_entropy};
    CHECK(features == eo::jei_features(logits));
}
