// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/generate/drafts/any_drafter.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/steps/batched.hpp>

#include <memory>
#include <random>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/counted_allocations.hpp"

using namespace support;

namespace {

using batched_step = eo::batched<eo::gpt2<>, eo::any_exit_policy, eo::any_drafter>;
using generation = batched_step::generation_type;

std::unique_ptr<generation> prepared(std::shared_ptr<const eo::any_exit_policy> by, eo::any_drafter drafter,
                                     const ids& prompt) {
    auto made = std::make_unique<generation>(small_network(), std::move(by),
                                             std::make_shared<const eo::any_drafter>(std::move(drafter)),
                                             eo::sequence(small_network().shape(), 64), 16, eo::draft_options{});
    made->options = {.max_new_tokens = 30};
    made->gates.sequence = made->policy->plan.start_sequence();
    made->signals.start_completion(prompt.size());
    made->signals.use_summaries(eo::needs_argmax_alone<eo::gpt2<>>(*made->policy, made->options));
    for (const eo::token_id id : prompt) made->tokens.push(small_network(), id);
    return made;
}
auto exiting_at(std::size_t layer, eo::any_cache_policy cache) {
    return std::make_shared<const eo::any_exit_policy>(
        eo::exit_plan{eo::exit_layers(std::vector<std::size_t>{layer}), eo::any_gate(eo::always_exit{})},
        eo::shared_head{}, std::move(cache));
}
auto full() {
    return std::make_shared<const eo::any_exit_policy>(
        eo::exit_plan{eo::exit_layers({}), eo::any_gate(eo::never_exit{})});
}

/// Runs steps of both, then pushes what was predicted.
void run(batched_step& step, eo::run_context& context, std::vector<generation*> all) {
    step.predict(context, all);
    for (generation* const g : all) {
        REQUIRE(g->accepted.size() == 1);
        g->is_prompt = false;
        g->tokens.push(small_network(), g->accepted.front().token);
    }
}

}  // namespace

TEST_CASE("deferred tokens join a block that runs deeper anyway", "[generate][batched]") {
    std::mt19937 engine(3);
    const ids prompt = random_prompt(engine, 5);
    eo::run_context context(small_network(), 16, one_thread());
    batched_step step(small_network(), 2, 4);
    const auto deep = prepared(full(), {}, prompt);
    for (const bool defers : {true, false}) {
        const auto early = defers ? prepared(exiting_at(2, eo::defer{}), {}, prompt)
                                  : prepared(exiting_at(2, eo::propagate{}), {}, prompt);
        run(step, context, {early.get()});
        run(step, context, {early.get()});
        CHECK(early->accepted.front().exit_layer == 2);
        CHECK(early->tokens.frontier(3) == 5);  // alone, its layers wait
        if (deep->is_prompt) run(step, context, {deep.get()});
        run(step, context, {early.get(), deep.get()});
        CHECK(early->accepted.front().exit_layer == 2);
        CHECK(deep->accepted.front().exit_layer == 6);
        CHECK(early->tokens.frontier(6) == (defers ? 7 : 6));
    }
}

TEST_CASE("a layer's weights are read once for all sequences", "[generate][batched]") {
    std::mt19937 engine(4);
    eo::run_context context(small_network(), 16, one_thread());
    batched_step step(small_network(), 3, 6);
    std::vector<std::unique_ptr<generation>> all;
    std::vector<generation*> batch;
    for (int i = 0; i < 3; ++i) {
        all.push_back(prepared(full(), {}, random_prompt(engine, 4)));
        batch.push_back(all.back().get());
        run(step, context, {batch.back()});
    }
    const auto bytes_of = [&](std::vector<generation*> sequences) {
        const auto before = context.work();
        run(step, context, std::move(sequences));
        return (context.work() - before).weight_bytes;
    };
    const std::uint64_t one = bytes_of({batch[0]});
    CHECK(bytes_of(batch) == one);
    std::uint64_t shared = 0, tokens = 0;
    for (const generation* const g : batch) {
        shared += g->work.weight_bytes;
        tokens += g->work.layer_tokens;
    }
    CHECK(tokens == 3 * 6);
    CHECK(shared <= one);
    CHECK(shared + 3 * 7 >= one);
}

TEST_CASE("a prompt runs beside predictions and predicts nothing", "[generate][batched]") {
    std::mt19937 engine(5);
    const ids prompt = random_prompt(engine, 9);
    eo::run_context context(small_network(), 4, one_thread());
    batched_step step(small_network(), 2, 4);
    const auto one = prepared(full(), {}, prompt), other = prepared(full(), {}, prompt);
    other->next = generation::stage::prefill;
    generation* batch[] = {one.get(), other.get()};
    step.predict(context, batch);
    CHECK(one->accepted.size() == 1);
    CHECK(other->accepted.empty());
    CHECK(other->tokens.frontier(6) == 9);
    const auto lazy =
        prepared(exiting_at(3, eo::defer{.prefill = eo::prefill::lazy}), {}, prompt);  // waits at its exit
    lazy->next = generation::stage::prefill;
    generation* alone[] = {lazy.get()};
    step.predict(context, alone);
    CHECK(lazy->tokens.frontier(3) == 9);
    CHECK(lazy->tokens.frontier(4) == 0);
}

TEST_CASE("a step of a batch allocates nothing", "[generate][batched]") {
    std::mt19937 engine(6);
    eo::run_context context(small_network(), 16, one_thread());
    batched_step step(small_network(), 3, 3 * 16);
    const auto with_drafts = prepared(full(), eo::suffix_drafts{}, ids(12, 5));
    const auto exits =
        prepared(std::make_shared<const eo::any_exit_policy>(eo::exit_plan{every_layer, eo::any_gate(hash_gate{})},
                                                             eo::shared_head{}, eo::defer{}),
                 {}, random_prompt(engine, 6));
    const auto sampled = prepared(full(), {}, random_prompt(engine, 8));
    sampled->options.temperature = 0.8f;
    std::vector<generation*> batch{with_drafts.get(), exits.get(), sampled.get()};
    std::size_t taken = 0;
    for (int token = 0; token < 12; ++token) {
        with_drafts->drafts.limit = 5;
        taken += allocations_of([&] { step.predict(context, batch); });
        for (generation* const g : batch) {
            g->is_prompt = false;
            g->tokens.push(small_network(), g->accepted.back().token);
        }
    }
    CHECK(taken == 0);
    CHECK(with_drafts->drafts.counts.drafted > 0);
}
