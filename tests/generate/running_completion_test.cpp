// SPDX-License-Identifier: MIT
#include <earlyout/generate/running_completion.hpp>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

TEST_CASE("a completion keeps what was predicted and takes it back", "[generate][running_completion]") {
    const auto full = eo::full_depth();
    const eo::no_drafts drafter;
    using generation = eo::generation<eo::gpt2<>, decltype(eo::full_depth())>;
    eo::running_completion<eo::gpt2<>, decltype(eo::full_depth()), generation> running(
        generation(small_network(), full, eo::sequence(small_network().shape(), 6)));
    CHECK_FALSE(running.has_started());
    const ids prompt{5, 6, 7};
    CHECK(running.start(full, drafter, prompt, {.max_new_tokens = 9}, full.plan.start_sequence()) == 0);
    for (const eo::token_id id : prompt) running.generation().tokens.push(small_network(), id);
    running.begin_first_step();
    CHECK(running.generation().is_prompt);
    CHECK(running.needs_step());
    running.generation().accepted.push_back({.exit_layer = 4, .token = 8, .log_probability = -1.0f});
    running.end_step({.layer_tokens = 18, .weight_bytes = 100}, 0.5);
    CHECK_FALSE(running.needs_step());
    running.accept(running.take());
    CHECK(running.ids() == ids{8});
    CHECK(running.exit_layers() == std::vector<std::size_t>{4});
    CHECK_FALSE(running.is_full());

    // Two of three accepted tokens are read.
    running.begin_step(small_network());
    CHECK_FALSE(running.generation().is_prompt);
    CHECK(running.generation().tokens.size() == 4);
    for (const eo::token_id id : {9, 10, 11}) running.generation().accepted.push_back({.exit_layer = 6, .token = id});
    running.generation().tokens.push(small_network(), 9);
    running.generation().tokens.push(small_network(), 10);
    running.end_step({.layer_tokens = 18, .weight_bytes = 50}, 0.25);
    running.accept(running.take());
    running.accept(running.take());
    CHECK(running.last().token == 10);
    running.discard_unread(drafter);
    CHECK(running.needs_step());
    CHECK(running.tokens().size() == 5);
    const eo::run_stats stats = running.stats(drafter);
    CHECK(stats.prompt_tokens == 3);
    CHECK(stats.new_tokens == 3);
    CHECK(stats.decode_steps == 1);
    CHECK(stats.prefill.weight_bytes == 100);
    CHECK(stats.decode.weight_bytes == 50);
    CHECK(stats.prefill_seconds == 0.5);

    CHECK_FALSE(running.rollback(drafter, 1).has_value());
    CHECK(running.ids() == ids{8});
    CHECK(running.tokens().size() == 3);
    CHECK(running.rollback(drafter, 0) == 7);
    CHECK(running.tokens().size() == 2);

    // The next completion begins with what is there.
    CHECK(running.start(full, drafter, ids{5, 6, 9}, {}, full.plan.start_sequence()) == 2);
    CHECK(running.ids().empty());
}
