// SPDX-License-Identifier: MIT
// The hooks of a completion, and sessions that move while it runs.
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/session.hpp>

#include <algorithm>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

TEST_CASE("on_logits forbids tokens at every exit", "[generate][hooks]") {
    std::mt19937 engine(3);
    const auto even_only = [](std::span<const eo::token_id>, std::span<float> logits) {
        for (std::size_t i = 1; i < logits.size(); i += 2) logits[i] = -std::numeric_limits<float>::infinity();
    };
    const auto check = [&](auto head) {
        eo::session s{small_network(), eo::exit_policy{eo::exit_plan{every_layer, hash_gate{}}, head, eo::defer{}}};
        for (const float temperature : {0.0f, 1.0f}) {
            const eo::generate_options options{
                .max_new_tokens = 25, .temperature = temperature, .on_logits = even_only};
            const eo::completion made = s.complete(random_prompt(engine, 6), options);
            CHECK(made.ids.size() == 25);
            CHECK(std::ranges::all_of(made.ids, [](eo::token_id id) { return id % 2 == 0; }));
            CHECK(*std::ranges::min_element(made.exit_layers) < 6);
        }
        // Without it the same session samples odd ones again.
        const eo::completion free = s.complete(random_prompt(engine, 6), {.max_new_tokens = 25});
        CHECK(std::ranges::any_of(free.ids, [](eo::token_id id) { return id % 2 != 0; }));
    };
    check(eo::shared_head{});
    check(eo::shortlist{8});
}

TEST_CASE("on_logits sees the ids so far, and other logits keep their bits", "[generate][hooks]") {
    const ids prompt{1, 2, 3};
    eo::session plain{small_network()}, hooked{small_network()};
    std::vector<ids> seen;
    const auto look = [&](std::span<const eo::token_id> so_far, std::span<float>) {
        seen.emplace_back(so_far.begin(), so_far.end());
    };
    const eo::completion expected = plain.complete(prompt, {.max_new_tokens = 4});
    const eo::completion made = hooked.complete(prompt, {.max_new_tokens = 4, .on_logits = look});
    CHECK(made.ids == expected.ids);
    CHECK(made.log_probabilities == expected.log_probabilities);
    REQUIRE(seen.size() == 4);
    CHECK(seen[0] == prompt);
    CHECK(seen[2] == ids{1, 2, 3, expected.ids[0], expected.ids[1]});
}

TEST_CASE("after_layer is called for every layer that runs", "[generate][hooks]") {
    eo::session s{small_network(),
                  eo::exit_policy{eo::exit_plan{eo::after<2>(eo::always_exit{})}, eo::shared_head{}, eo::defer{}}};
    std::size_t calls = 0, layer_tokens = 0, deepest = 0;
    const auto count = [&](std::size_t layer, std::span<const eo::layer_token> tokens) {
        ++calls;
        layer_tokens += tokens.size();
        deepest = std::max(deepest, layer);
    };
    const eo::completion made = s.complete(ids{1, 2, 3}, {.max_new_tokens = 5, .after_layer = count});
    CHECK(deepest == 6);
    CHECK(calls == 6 + 4 * 2);
    CHECK(layer_tokens == made.stats.prefill.layer_tokens + made.stats.decode.layer_tokens);
    (void)s.complete(ids{9, 2, 3}, {.max_new_tokens = 5});
    CHECK(calls == 6 + 4 * 2);
}

TEST_CASE("a session moves while its completion runs", "[generate][hooks]") {
    const ids prompt{8, 2, 3, 44};
    for (const std::size_t threads : {std::size_t{1}, std::size_t{2}}) {
        const auto exits = policy(remembering_gate{}, eo::defer{});
        const eo::session_options options{.threads = threads};
        eo::session stays{small_network(), exits, options};
        const eo::completion expected = stays.complete(prompt, {.max_new_tokens = 12});
        eo::session s{small_network(), exits, options};
        s.start(prompt, {.max_new_tokens = 12});
        for (int i = 0; i < 4; ++i) REQUIRE(s.next());
        std::vector<decltype(s)> sessions;
        sessions.push_back(std::move(s));
        sessions.reserve(8);
        while (sessions[0].next()) {
        }
        CHECK(std::vector(sessions[0].ids().begin(), sessions[0].ids().end()) == expected.ids);
        sessions[0].rollback(3);
        while (sessions[0].next()) {
        }
        CHECK(std::vector(sessions[0].ids().begin(), sessions[0].ids().end()) == expected.ids);
    }
}
