// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/threshold_search.hpp>

#include <earlyout/calibrate/gates.hpp>

#include <string>
#include <vector>

#include "calibrate/fitted_model.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

TEST_CASE("thresholds are searched from conservative to bold, until too much is lost",
          "[calibrate][threshold_search]") {
    support::fitted_model model;
    eo::exit_weights exits("file");
    exits.set_model(support::fitted_to()).set_layers({2, 4});
    exits.set("learn-to-exit.2.weight", {1, 20}, std::vector<float>(20, 0.01f));
    exits.set("learn-to-exit.4.weight", {1, 20}, std::vector<float>(20, 0.01f));
    model.set_exits(std::move(exits));
    const auto samples = calibrate::cut_samples(support::random_texts(12, 40),
                                                {.count = 4, .length = 24, .new_tokens = 4, .least_prompt = 8});
    calibrate::threshold_options options;
    options.layers = {2, 4};
    options.few_layers = false;
    options.check_margins = {0.0f, 0.5f};
    options.loss = 2.0;  // nothing is too much
    options.confidence = 0.0;
    const eo::any_head head;
    const calibrate::monitor watch;
    const calibrate::gate_choice all =
        calibrate::threshold_search(model, head, options, watch).choose("learn-to-exit", samples);
    // Seven thresholds without a check, since at 1 nothing would hold it back, and eight with one.
    REQUIRE(all.tried.size() == 15);
    CHECK(to_string(all.tried.front().policy) == "learn-to-exit(0.02) @ 2,4");
    CHECK(to_string(all.tried.back().policy) == "learn-to-exit(1) & margin(0.5) @ 2,4");
    CHECK(all.tried[0].layers_skipped == 0.0);
    CHECK(all.tried[6].layers_skipped > 0.0);

    // Four samples of four texts show nothing.
    CHECK(all.found);
    CHECK_FALSE(all.promising);
    options.loss = 0.5;
    options.confidence = 0.95;
    const calibrate::gate_choice unsure =
        calibrate::threshold_search(model, head, options, watch).choose("learn-to-exit", samples);
    CHECK_FALSE(unsure.found);
    if (unsure.promising) CHECK(unsure.samples_needed >= calibrate::samples_to_show(0.5));

    options.loss = -1.0;  // everything is
    const calibrate::gate_choice none =
        calibrate::threshold_search(model, head, options, watch).choose("learn-to-exit", samples);
    CHECK(none.tried.size() == 2);
    CHECK_FALSE(none.found);
    CHECK(none.chosen.policy.is_full_depth());
}
