// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/candidates.hpp>

#include <algorithm>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

TEST_CASE("one parameter of a gate is varied at a time", "[calibrate][candidates]") {
    const eo::gate_entry& sec = *eo::find_gate("sec");
    CHECK(calibrate::with_parameter(sec, 0, 0.7f) == eo::make_gate_spec("sec", {0.7f, 1.0f}));
    CHECK(calibrate::with_parameter(sec, 1, 0.7f) == eo::make_gate_spec("sec", {1.0f, 0.7f}));
    CHECK(calibrate::most_conservative(eo::margin::parameters[0]) == 1.0f);
    CHECK(calibrate::most_conservative(eo::learn_to_exit::parameters[0]) == 0.0f);
}

TEST_CASE("gates that read no logits can be checked by a margin", "[calibrate][candidates]") {
    CHECK(calibrate::can_be_checked(*eo::find_gate("learn-to-exit")));
    CHECK(calibrate::can_be_checked(*eo::find_gate("mlp-router")));
    for (const char* other : {"sec", "jei-dnn", "margin", "saturation"}) {
        CHECK_FALSE(calibrate::can_be_checked(*eo::find_gate(other)));
    }
    CHECK(calibrate::checked_chain(eo::make_gate_spec("learn-to-exit", {1.0f}), 0.0f).size() == 1);
    CHECK(calibrate::checked_chain(eo::make_gate_spec("learn-to-exit", {1.0f}), 0.2f)[1] ==
          eo::make_gate_spec("margin", {0.2f}));
    const eo::gate_parameter& error = eo::learn_to_exit::parameters[0];
    CHECK(calibrate::always_exits(error, 1.0f, 0.0f));
    CHECK_FALSE(calibrate::always_exits(error, 1.0f, 0.2f));
    CHECK_FALSE(calibrate::always_exits(error, 0.6f, 0.0f));
    CHECK_FALSE(calibrate::always_exits(eo::margin::parameters[0], 0.0f, 0.0f));
}

TEST_CASE("grids fit the number of exits, and are finer for curves", "[calibrate][candidates]") {
    CHECK(calibrate::grid_of(eo::patience::parameters[0], 3) == std::vector{2.0f, 1.0f});
    CHECK(calibrate::grid_of(eo::patience::parameters[0], 1) == std::vector{1.0f});
    CHECK(calibrate::grid_of(eo::margin::parameters[0], 1).size() == std::size(eo::margin::grid));
    const std::vector<float> fine = calibrate::fine_grid_of(eo::margin::parameters[0]);
    CHECK(std::ranges::is_sorted(fine));
    CHECK(fine.front() == 0.0f);
    for (const float value : eo::margin::grid) CHECK(std::ranges::find(fine, value) != fine.end());
    CHECK(fine.size() == 2 * std::size(eo::margin::grid));
}
