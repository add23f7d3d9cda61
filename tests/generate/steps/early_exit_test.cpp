// SPDX-License-Identifier: MIT
// A step allocates nothing: every operator new of this program counts.
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/budget.hpp>
#include <earlyout/exit/heads/adapter_head.hpp>
#include <earlyout/exit/heads/own_head.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/session.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <type_traits>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/counted_allocations.hpp"
#include "support/random.hpp"
#include "support/replaced_new.hpp"

using namespace support;

void* support::take_or_null(std::size_t size, std::size_t alignment) noexcept {
    if (counting_allocations.load(std::memory_order_relaxed)) ++counted_allocations;
    return allocate(size, alignment);
}

namespace {

template <class Policy>
void check_steps(const Policy& policy, const eo::generate_options& options, std::size_t threads = 1) {
    const text_model model;
    std::mt19937 engine(1);
    eo::session s{model, policy, {.threads = threads}};
    s.start(random_prompt(engine, 20, 90), options);
    std::size_t steps = 0;
    std::size_t taken = 0;
    bool more = true;
    while (more) {
        taken += allocations_of([&] { more = s.next().has_value(); });
        ++steps;
    }
    CHECK(steps > 10);
    CHECK(taken == 0);
}

}  // namespace

TEST_CASE("the counter counts", "[generate][early_exit]") {
    std::vector<int>* made = nullptr;
    CHECK(allocations_of([&] { made = new std::vector<int>(100); }) == 2);
    delete made;
}

TEST_CASE("a step allocates nothing", "[generate][early_exit]") {
    const eo::generate_options greedy{.max_new_tokens = 30};
    const eo::generate_options sampling{.max_new_tokens = 30,
                                        .temperature = 0.9f,
                                        .top_k = 20,
                                        .top_p = 0.9f,
                                        .min_p = 0.01f,
                                        .repetition_penalty = 1.2f,
                                        .stop_strings = {"a string that never comes", "nor this"}};
    const hash_gate hash{.seed = 5, .exit_percent = 50};
    for (const eo::generate_options& options : {greedy, sampling}) {
        check_steps(eo::full_depth(), options);
        check_steps(policy(hash, eo::propagate{}), options);
        check_steps(policy(hash, eo::omit{}), options);
        check_steps(policy(hash, eo::defer{}), options);
        check_steps(policy(hash, eo::defer{.cap = 4, .prefill = eo::prefill::lazy}), options);
        check_steps(policy(remembering_gate{}, eo::defer{}), options);
        check_steps(policy(eo::any_gate{remembering_gate{}}, eo::defer{.cap = 2}), options);
        check_steps(policy(eo::always_exit{}, eo::defer{.cap = 7}), options, 2);
        check_steps(eo::exit_policy{eo::exit_plan{every_layer, hash}, eo::shortlist{9}, eo::defer{}}, options);
    }
}

TEST_CASE("a step with fitted heads allocates nothing either", "[generate][early_exit]") {
    random_source random(4);
    eo::exit_weights exits;
    exits.set_model({6, 20, 97, "", "f32"});
    exits.set("adapter.2.down.weight", {3, 20}, random.floats(60))
        .set("adapter.2.up.weight", {20, 3}, random.floats(60));
    exits.set("head.4.weight", {97, 20}, random.floats(97 * 20));
    const hash_gate hash{.seed = 5, .exit_percent = 50};
    for (const eo::any_head& head : {eo::any_head(eo::adapter_head(exits)), eo::any_head(eo::own_head(exits))}) {
        check_steps(eo::exit_policy{eo::exit_plan{every_layer, hash}, head, eo::defer{}}, {.max_new_tokens = 30});
    }
}

TEST_CASE("an exit's token and the bytes it reads are those of its head", "[generate][early_exit]") {
    random_source random(6);
    eo::exit_weights exits;
    exits.set_model({6, 20, 97, "", "f32"});
    const std::vector<float> weight = random.floats(97 * 20);
    exits.set("head.3.weight", {97, 20}, weight);
    const eo::own_head head(exits);
    std::mt19937 engine(3);
    const ids prompt = random_prompt(engine, 9);
    const eo::exit_plan plan{eo::after<3>(eo::always_exit{})};
    eo::session s{small_network(), eo::exit_policy{plan, head, eo::defer{}}};
    const eo::completion own = s.complete(prompt, {.max_new_tokens = 2});
    ids all = prompt;
    all.push_back(own.ids[0]);
    full_run full(small_network(), all);
    const std::vector<float>& row = full.row(3, all.size() - 1);
    std::vector<float> logits(97);
    for (std::size_t v = 0; v < 97; ++v) {
        for (std::size_t k = 0; k < 20; ++k) logits[v] += weight[v * 20 + k] * row[k];
    }
    CHECK(own.exit_layers == std::vector<std::size_t>{6, 3});
    CHECK(own.ids[1] == std::ranges::max_element(logits) - logits.begin());

    eo::session shared{small_network(), eo::exit_policy{plan, eo::shared_head{}, eo::defer{}}};
    const eo::completion other = shared.complete(prompt, {.max_new_tokens = 2});
    CHECK(own.stats.decode.weight_bytes - head.bytes() ==
          other.stats.decode.weight_bytes - small_network().output_bytes());
    eo::exit_weights wider;
    wider.set_model({6, 21, 97, "", "f32"});
    wider.set("head.3.weight", {97, 21}, random.floats(97 * 21));
    CHECK_THROWS_AS((eo::session{small_network(), eo::exit_policy{plan, eo::own_head(wider), eo::defer{}}}), eo::error);
}

TEST_CASE("a gate's stop ends the completion without a token", "[generate][early_exit]") {
    std::mt19937 engine(2);
    for (std::uint32_t seed = 0; seed < 8; ++seed) {
        const eo::prefill order = seed % 2 == 0 ? eo::prefill::lazy : eo::prefill::eager;
        const auto stopping =
            policy(hash_gate{.seed = seed, .exit_percent = 20, .stop_percent = 10}, eo::defer{.prefill = order});
        const ids prompt = random_prompt(engine, 6);
        eo::session s{small_network(), stopping};
        const eo::completion silent = s.complete(prompt, {.max_new_tokens = 50});
        REQUIRE(silent.finish_reason == eo::finish_reason::stopped_by_gate);
        CHECK(silent.stats.stop_layer >= 1);
        CHECK(silent.stats.predictions() == silent.ids.size() + 1);
        const eo::completion emitted = s.complete(prompt, {.max_new_tokens = 50, .emit_at_stop = true});
        REQUIRE(emitted.ids.size() == silent.ids.size() + 1);
        CHECK(emitted.finish_reason == eo::finish_reason::stopped_by_gate);
        CHECK(emitted.exit_layers.back() == silent.stats.stop_layer);
        CHECK(std::equal(silent.ids.begin(), silent.ids.end(), emitted.ids.begin()));

        ids all = prompt;
        all.insert(all.end(), silent.ids.begin(), silent.ids.end());
        full_run full(small_network(), all);
        const std::vector<float> logits = full.logits(silent.stats.stop_layer, all.size() - 1);
        CHECK(emitted.ids.back() == std::ranges::max_element(logits) - logits.begin());
    }
}

TEST_CASE("a spent budget ends the completion and is not a stop", "[generate][early_exit]") {
    std::mt19937 engine(3);
    const ids prompt = random_prompt(engine, 6);
    for (const eo::prefill order : {eo::prefill::eager, eo::prefill::lazy}) {
        const auto within = [&](eo::over_budget then) {
            return policy(eo::any_of(eo::token_budget{4, then}, eo::never_exit{}), eo::defer{.prefill = order});
        };
        eo::session s{small_network(), within(eo::over_budget::end)};
        const eo::completion made = s.complete(prompt, {.max_new_tokens = 20});
        CHECK(made.finish_reason == eo::finish_reason::budget_spent);
        CHECK(made.exit_layers == std::vector<std::size_t>(4, 6));
        CHECK(made.stats.stop_layer == 1);
        const eo::completion emitted = s.complete(prompt, {.max_new_tokens = 20, .emit_at_stop = true});
        CHECK(emitted.finish_reason == eo::finish_reason::budget_spent);
        CHECK(emitted.exit_layers == std::vector<std::size_t>{6, 6, 6, 6, 1});
        // With budgets that continue, tokens exit at the first exit.
        eo::session leaving{small_network(), within(eo::over_budget::exit)};
        const eo::completion shallow = leaving.complete(prompt, {.max_new_tokens = 6});
        CHECK(shallow.finish_reason == eo::finish_reason::max_new_tokens);
        CHECK(shallow.exit_layers == std::vector<std::size_t>{6, 6, 6, 6, 1, 1});
        leaving.start(prompt, {.max_new_tokens = 6});
        while (leaving.next()) {
        }
        leaving.rollback(2);
        while (leaving.next()) {
        }
        CHECK(std::vector(leaving.ids().begin(), leaving.ids().end()) == shallow.ids);
    }
    eo::session late{small_network(), policy(eo::time_budget{std::chrono::seconds(0)}, eo::propagate{})};
    CHECK(late.complete(prompt, {.max_new_tokens = 20}).ids.size() == 1);
    CHECK(late.finish_reason() == eo::finish_reason::budget_spent);
}

TEST_CASE("sequences that exit at different depths run together as they run alone", "[generate][early_exit]") {
    std::mt19937 engine(12);
    const auto run_all = [&](const auto& exits) {
        using policy_type = std::remove_cvref_t<decltype(exits)>;
        using running = eo::generation<eo::gpt2<>, policy_type>;
        eo::inline_executor on;
        eo::run_context context(small_network(), 7, on, eo::head_scratch_bytes(exits.head, 7));
        const eo::early_exit step{small_network(), exits};
        constexpr std::size_t count = 4, new_tokens = 12;
        std::vector<ids> prompts;
        std::vector<std::unique_ptr<running>> batch;
        for (std::size_t i = 0; i < count; ++i) {
            prompts.push_back(random_prompt(engine, 3 + i * 3));
            batch.push_back(
                std::make_unique<running>(small_network(), exits, eo::sequence(small_network().shape(), 40)));
            running& g = *batch.back();
            g.options = {.max_new_tokens = new_tokens, .temperature = i == 2 ? 0.9f : 0.0f, .seed = i};
            g.gates.sequence = exits.plan.start_sequence();
            g.signals.start_completion(prompts[i].size());
            g.signals.use_summaries(eo::needs_argmax_alone<eo::gpt2<>>(exits, g.options));
            for (const eo::token_id id : prompts[i]) g.tokens.push(small_network(), id);
        }
        std::vector<std::vector<eo::prediction>> made(count);
        for (std::size_t token = 0; token < new_tokens; ++token) {
            std::vector<running*> sequences;
            sequences.reserve(batch.size());
            for (auto& g : batch) sequences.push_back(g.get());
            step.predict(context, sequences);
            for (std::size_t i = 0; i < count; ++i) {
                REQUIRE(batch[i]->accepted.size() == 1);
                made[i].push_back(batch[i]->accepted.front());
                batch[i]->is_prompt = false;
                batch[i]->tokens.push(small_network(), made[i].back().token);
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            eo::session alone{small_network(), exits};
            const eo::completion expected = alone.complete(prompts[i], batch[i]->options);
            for (std::size_t token = 0; token < new_tokens; ++token) {
                CHECK(made[i][token].token == expected.ids[token]);
                CHECK(made[i][token].exit_layer == expected.exit_layers[token]);
                CHECK(made[i][token].log_probability == expected.log_probabilities[token]);
            }
        }
    };
    run_all(policy(hash_gate{}, eo::defer{}));
    run_all(policy(remembering_gate{}, eo::propagate{}));
    run_all(policy(remembering_gate{}, eo::omit{}));
    run_all(eo::exit_policy{eo::exit_plan{every_layer, hash_gate{.seed = 4}}, eo::shortlist{9}, eo::defer{}});
}
