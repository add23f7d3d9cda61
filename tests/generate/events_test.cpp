// SPDX-License-Identifier: MIT
#include <earlyout/generate/events.hpp>

#include <string>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("finish reasons have names", "[generate][events]") {
    CHECK(to_string(eo::finish_reason::max_new_tokens) == std::string("max_new_tokens"));
    CHECK(to_string(eo::finish_reason::not_a_number) == std::string("not_a_number"));
    CHECK(to_string(static_cast<eo::finish_reason>(99)) == std::string("unknown"));
    const eo::token_event event{.id = 5, .index = 2, .piece = "ab", .log_probability = -0.5f, .exit_layer = 3};
    const auto ends = [](const eo::token_event& e) { return e.index == 2 ? eo::flow::stop : eo::flow::proceed; };
    CHECK(eo::token_callback(ends)(event) == eo::flow::stop);
}
