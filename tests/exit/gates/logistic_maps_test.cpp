// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/logistic_maps.hpp>

#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;

TEST_CASE("a gate's weights are found by its name and layer", "[exit][logistic_maps]") {
    eo::exit_weights exits("file");
    exits.set_model({5, 2, 9, "", "f32"});
    CHECK(eo::find_weights_by_layer(exits, "mine").empty());
    CHECK(support::error_of([&] { (void)eo::weights_by_layer(exits, "mine"); }) ==
          support::thrown(eo::errc::missing_tensor, {"file", "'mine.LAYER.weight'"}));
    exits.set("mine.4.weight", {1, 2}, {1, 2}).set("mine.2.weight", {1, 2}, {3, 4}).set("mine.2.bias", {1}, {5});
    exits.set("mine.6.weight", {1, 2}, {6, 7});  // beyond the model
    const auto found = eo::weights_by_layer(exits, "mine");
    REQUIRE(found.size() == 2);
    CHECK(found[0].layer == 2);
    CHECK(found[0].weights.bias[0] == 5.0f);
    CHECK(found[1].layer == 4);
    CHECK(found[1].weights.weight[1] == 2.0f);
}
