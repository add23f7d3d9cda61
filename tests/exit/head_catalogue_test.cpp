// SPDX-License-Identifier: MIT
#include <earlyout/exit/head_catalogue.hpp>

#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("heads of the catalogue are made by name", "[exit][head_catalogue]") {
    const eo::any_head shared = eo::find_head("shared")->make(nullptr, eo::any_format("f32"), {});
    CHECK(shared.run_time_uses_lm_head());
    CHECK(shared.run_time_shortlist().tokens == 0);
    const eo::any_head few =
        eo::find_head("shared")->make(nullptr, eo::any_format("f32"), {32, eo::shortlist_reach::full_depth});
    CHECK(few.run_time_shortlist().tokens == 32);
    CHECK(few.run_time_shortlist().reach == eo::shortlist_reach::full_depth);
    eo::exit_weights exits;
    exits.set_model({2, 3, 5, "", "f32"});
    exits.set("head.1.weight", {5, 3}, std::vector<float>(15, 1.0f));
    CHECK_FALSE(eo::find_head("own")->make(&exits, eo::any_format("f32"), {}).run_time_uses_lm_head());
    CHECK_THROWS_AS(eo::find_head("own")->make(&exits, eo::any_format("f32"), {8, {}}), eo::error);
    CHECK_THROWS_AS(eo::find_head("adapter")->make(&exits, eo::any_format("f32"), {}), eo::error);
    CHECK(eo::find_head("shortlist") == nullptr);
}
