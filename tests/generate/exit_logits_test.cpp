// SPDX-License-Identifier: MIT
#include <earlyout/generate/exit_logits.hpp>

#include <earlyout/exit/heads/shortlist.hpp>

#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

TEST_CASE("an exit's logits are the head's, counted, and changed by the hook", "[generate][exit_logits]") {
    const auto policy = eo::full_depth();
    eo::generation of(small_network(), policy, eo::sequence(small_network().shape(), 20));
    eo::inline_executor on;
    eo::run_context context(small_network(), 4, on);
    of.tokens.push(small_network(), 5);
    eo::exit_logits logits(small_network(), policy, of, context);
    CHECK(logits.summarizes(policy));
    const auto few = eo::exit_policy{eo::exit_plan{every_layer, hash_gate{}}, eo::shortlist<>(8)};
    CHECK_FALSE(eo::exit_logits<eo::gpt2<>, std::remove_cv_t<decltype(few)>>::summarizes(few));

    const std::vector<float> hidden(20, 0.5f);
    std::vector<float> out(97), direct(97);
    logits.logits(6, hidden, out);
    small_network().logits({hidden.data(), 1, 20}, {direct.data(), 1, 97}, context);
    CHECK(out == direct);
    CHECK(of.counts.head_evaluations == 1);
    CHECK(of.counts.head_seconds > 0.0);
    const auto summary = logits.summary(6, hidden);
    CHECK(direct[summary.top.index] == summary.top.first);
    CHECK(of.counts.head_evaluations == 2);

    of.options.on_logits = [](std::span<const eo::token_id> ids, std::span<float> values) {
        values[static_cast<std::size_t>(ids[0])] = 100.0f;
    };
    logits.logits(6, hidden, out);
    CHECK(out[5] == 100.0f);
}
