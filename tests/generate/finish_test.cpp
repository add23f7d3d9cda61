// SPDX-License-Identifier: MIT
#include <earlyout/generate/finish.hpp>

#include <chrono>

#include "support/catch.hpp"

namespace eo = earlyout;
using eo::finish_reason;
using outcome = eo::prediction::outcome;

TEST_CASE("a completion ends for the first reason that applies", "[generate][finish]") {
    eo::generate_options options{.max_new_tokens = 5};
    eo::completion_progress now{.new_tokens = 1, .started = std::chrono::steady_clock::now()};
    CHECK_FALSE(eo::finish_after(now, options));
    options.max_time = std::chrono::seconds(0);
    CHECK(eo::finish_after(now, options) == finish_reason::max_time);
    now.is_context_full = true;
    CHECK(eo::finish_after(now, options) == finish_reason::context_full);
    now.new_tokens = 5;
    CHECK(eo::finish_after(now, options) == finish_reason::max_new_tokens);
    now.result = outcome::stopped;
    CHECK(eo::finish_after(now, options) == finish_reason::stopped_by_gate);
    now.result = outcome::budget_spent;
    CHECK(eo::finish_after(now, options) == finish_reason::budget_spent);
    now.is_end_of_text = true;
    CHECK(eo::finish_after(now, options) == finish_reason::end_of_text);
    now.found_stop_string = true;
    CHECK(eo::finish_after(now, options) == finish_reason::stop_string);
}

TEST_CASE("a step's result ends a completion for its reason", "[generate][finish]") {
    CHECK(eo::reason_of(outcome::stopped) == finish_reason::stopped_by_gate);
    CHECK(eo::reason_of(outcome::budget_spent) == finish_reason::budget_spent);
    CHECK(eo::reason_of(outcome::cancelled) == finish_reason::cancelled);
    CHECK(eo::reason_of(outcome::not_a_number) == finish_reason::not_a_number);
}
