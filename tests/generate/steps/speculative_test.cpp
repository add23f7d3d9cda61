// SPDX-License-Identifier: MIT
// Drafts change nothing but the time: ids, log-probabilities, texts and reasons are those of decoding one by one.
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/drafts/any_drafter.hpp>
#include <earlyout/generate/drafts/best_of.hpp>
#include <earlyout/generate/drafts/depth_drafts.hpp>
#include <earlyout/generate/drafts/hashed_drafts.hpp>
#include <earlyout/generate/drafts/recycled_drafts.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>
#include <earlyout/generate/session.hpp>
#include <earlyout/generate/steps/speculative.hpp>
#include <earlyout/models/any_model.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <random>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/counted_allocations.hpp"
#include "support/golden.hpp"

using namespace support;

namespace {

/// Verifies as much as there is: blocks of any size cost the same.
const eo::draft_options drafts_are_free{.block_costs = {1.0}};

/// Knows the text, and is mistaken now and then: pseudo-randomly, by position.
struct mistaken_drafts {
    static constexpr std::string_view name = "mistaken";
    std::shared_ptr<const ids> truth;
    std::uint32_t mistakes_percent = 20;
    std::size_t vocab = 97;

    void propose(std::span<const eo::token_id> so_far, eo::draft& out) const {
        for (std::size_t p = so_far.size(); p < truth->size() && !out.is_full(); ++p) {
            const std::uint32_t draw = mixed(static_cast<std::uint32_t>(p) * 7919 + 17) % 100;
            const auto wrong = static_cast<eo::token_id>((static_cast<std::size_t>((*truth)[p]) + 1 + draw) % vocab);
            out.push(draw < mistakes_percent ? wrong : (*truth)[p], 0.9f);
        }
    }
};

/// Proposes what no vocabulary has.
struct senseless_drafts {
    void propose(std::span<const eo::token_id> so_far, eo::draft& out) const {
        out.push(so_far.back(), 2.0f);
        out.push(-5, 1.0f);
        out.push(1'000'000, 1.0f);
    }
};

eo::any_drafter mistaken(const ids& prompt, const eo::completion& expected) {
    ids text = prompt;
    text.insert(text.end(), expected.ids.begin(), expected.ids.end());
    return mistaken_drafts{std::make_shared<const ids>(std::move(text))};
}

/// Exits that serve drafts alone.
template <class Cache = eo::propagate>
auto exits_for_drafts(Cache cache = {}) {
    return policy(eo::margin{.threshold = 0.01f}, cache);
}

/// Settings that end, sample or change logits in every way there is.
std::vector<std::pair<const char*, eo::generate_options>> all_settings(std::size_t new_tokens) {
    const auto odd_are_less_likely = [](std::span<const eo::token_id> so_far, std::span<float> logits) {
        for (std::size_t i = so_far.size() % 2; i < logits.size(); i += 2) logits[i] -= 1.0f;
    };
    return {
        {"greedy", {.max_new_tokens = new_tokens}},
        {"penalty", {.max_new_tokens = new_tokens, .repetition_penalty = 1.3f}},
        {"cold", {.max_new_tokens = new_tokens, .temperature = 0.05f, .seed = 3}},
        {"sampled",
         {.max_new_tokens = new_tokens, .temperature = 0.4f, .top_k = 9, .top_p = 0.9f, .min_p = 0.05f, .seed = 5}},
        {"sampled with penalty", {.max_new_tokens = new_tokens, .temperature = 0.6f, .repetition_penalty = 1.2f}},
        {"hook", {.max_new_tokens = new_tokens, .on_logits = odd_are_less_likely}},
        {"hook and sampled", {.max_new_tokens = new_tokens, .temperature = 0.3f, .on_logits = odd_are_less_likely}},
        {"stop string", {.max_new_tokens = new_tokens, .stop_strings = {"dba", "cab"}}},
        {"end of text", {.max_new_tokens = new_tokens, .end_of_text = ids{3, 17, 40, 41, 42, 43, 77}}},
        {"time is up", {.max_new_tokens = new_tokens, .max_time = std::chrono::duration<double>(0.0)}},
    };
}

}  // namespace

TEST_CASE("drafts change no completion", "[generate][speculative]") {
    const text_model model;
    std::mt19937 engine(1);
    eo::session plain{model};
    std::uint64_t accepted = 0, rejected = 0;
    for (int round = 0; round < 6; ++round) {
        const ids prompt = random_prompt(engine, 3 + static_cast<std::size_t>(round) * 4, 90);
        for (const auto& [name, options] : all_settings(64 - prompt.size() + 1)) {
            const eo::completion expected = plain.complete(prompt, options);
            const auto check = [&](auto drafting) {
                INFO(name << ", prompt of " << prompt.size());
                const eo::completion made = drafting.complete(prompt, options);
                CHECK(same_output(made, expected));
                CHECK(made.stats.new_tokens == expected.stats.new_tokens);
                accepted += made.stats.accepted;
                rejected += made.stats.drafted - made.stats.accepted;
            };
            const eo::any_drafter some = mistaken(prompt, expected);
            check(eo::session{model, eo::full_depth(), some, {.drafts = drafts_are_free}});
            check(eo::session{model, eo::full_depth(), some});
            check(eo::session{model, eo::full_depth(), eo::suffix_drafts{}, {.drafts = drafts_are_free}});
            check(eo::session{model, eo::full_depth(), eo::hashed_drafts{.n = 1}, {.drafts = drafts_are_free}});
            check(eo::session{model, eo::full_depth(), eo::recycled_drafts{}, {.drafts = drafts_are_free}});
            check(eo::session{model, eo::full_depth(), senseless_drafts{}, {.drafts = drafts_are_free}});
            check(eo::session{model, exits_for_drafts(), eo::depth_drafts{}, {.drafts = drafts_are_free}});
            check(eo::session{model,
                              exits_for_drafts(eo::defer{.cap = 2, .prefill = eo::prefill::lazy}),
                              eo::best_of{eo::suffix_drafts{}, some, eo::depth_drafts{}},
                              {.drafts = drafts_are_free}});
            check(eo::session{
                model,
                eo::exit_policy{eo::exit_plan{every_layer, eo::margin{0.01f}}, eo::shortlist{8}, eo::omit{}},
                eo::depth_drafts{},
                {.drafts = drafts_are_free}});
        }
    }
    CHECK(accepted > 1000);
    CHECK(rejected > 1000);
}

TEST_CASE("drafts change no bit in any architecture and weight format, on any threads", "[generate][speculative]") {
    std::mt19937 engine(2);
    std::vector<std::pair<std::string, const char*>> models;
    for (const std::string& name : golden_families()) models.emplace_back(name, "int8");
    for (const char* format : {"f32", "bf16", "f16", "int4", "q4_1", "iq4_nl"})
        models.emplace_back("llama_gqa", format);
    for (const auto& [name, format] : models) {
        const auto model = eo::any_model::from_checkpoint(eo::io::hugging_face_checkpoint(golden_folder(name)),
                                                          eo::any_format(std::string_view(format)));
        const std::size_t capacity = std::min<std::size_t>(40, model.shape().context);
        const ids prompt = random_prompt(engine, 9, model.shape().vocab);
        const eo::generate_options options{.max_new_tokens = capacity - 9};
        eo::session plain(model, eo::full_depth(), eo::session_options{.capacity = capacity});
        const eo::completion expected = plain.complete(prompt, options);
        for (const std::size_t threads : {1u, 2u}) {
            INFO(name << ", " << format << " on " << threads);
            eo::session drafting(model, eo::full_depth(), mistaken(prompt, expected),
                                 {.capacity = capacity, .threads = threads, .drafts = drafts_are_free});
            const eo::completion made = drafting.complete(prompt, options);
            CHECK(made.ids == expected.ids);
            CHECK(same_bits(made.log_probabilities, expected.log_probabilities));
            CHECK(made.stats.accepted > 5);
        }
    }
}

TEST_CASE("drafts change no bit in formats of blocks of 256", "[generate][speculative]") {
    auto checkpoint = random_gpt2_checkpoint({.layers = 3, .d_model = 256, .heads = 4, .vocab = 300, .context = 48}, 7);
    checkpoint.set("model_type", "gpt2");
    std::mt19937 engine(15);
    for (const char* format : {"q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"}) {
        INFO(format);
        const auto model = eo::any_model::from_checkpoint(checkpoint, eo::any_format(std::string_view(format)));
        const ids prompt = random_prompt(engine, 9, 300);
        eo::session plain{model};
        const eo::completion expected = plain.complete(prompt, {.max_new_tokens = 39});
        eo::session drafting{model, eo::full_depth(), mistaken(prompt, expected), {.drafts = drafts_are_free}};
        const eo::completion made = drafting.complete(prompt, {.max_new_tokens = 39});
        CHECK(same_output(made, expected));
        CHECK(made.stats.accepted > 10);
    }
}

TEST_CASE("sampling with drafts draws the same tokens for every seed", "[generate][speculative]") {
    std::mt19937 engine(3);
    const ids prompt = random_prompt(engine, 12);
    eo::session plain{small_network()};
    eo::session suffix{small_network(), eo::full_depth(), eo::suffix_drafts{}, {.drafts = drafts_are_free}};
    eo::session depth{small_network(), exits_for_drafts(), eo::depth_drafts{}, {.drafts = drafts_are_free}};
    std::uint64_t accepted = 0;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        const eo::generate_options options{.max_new_tokens = 16,
                                           .temperature = 0.2f + 0.1f * static_cast<float>(seed % 7),
                                           .top_k = seed % 3 == 0 ? 0u : 20u,
                                           .top_p = seed % 4 == 0 ? 1.0f : 0.8f,
                                           .min_p = seed % 5 == 0 ? 0.02f : 0.0f,
                                           .repetition_penalty = seed % 2 == 0 ? 1.0f : 1.1f,
                                           .seed = seed};
        const eo::completion expected = plain.complete(prompt, options);
        CHECK(same_output(suffix.complete(prompt, options), expected));
        accepted += suffix.stats().accepted;
        CHECK(same_output(depth.complete(prompt, options), expected));
        accepted += depth.stats().accepted;
    }
    CHECK(accepted > 50);
}

TEST_CASE("events say which tokens were drafted, and statistics count them", "[generate][speculative]") {
    std::mt19937 engine(4);
    const ids prompt = random_prompt(engine, 10);
    eo::session plain{small_network()};
    const eo::completion expected = plain.complete(prompt, {.max_new_tokens = 40});
    eo::session drafting{small_network(), eo::full_depth(), mistaken(prompt, expected), {.drafts = drafts_are_free}};
    drafting.start(prompt, {.max_new_tokens = 40});
    std::size_t drafted = 0, index = 0;
    while (const auto event = drafting.next()) {
        CHECK(event->index == index++);
        drafted += event->drafted;
    }
    const eo::run_stats stats = drafting.stats();
    CHECK(drafted == stats.accepted);
    CHECK(stats.drafted > stats.accepted);
    CHECK(stats.decode_steps + stats.accepted == 39);
    CHECK(stats.tokens_per_step() > 2.0);
    REQUIRE(stats.by_drafter.size() == 1);
    CHECK(stats.by_drafter[0].name == "mistaken");
    CHECK(stats.by_drafter[0].accepted == stats.accepted);
    // A block reads the weights once: fewer bytes, though more layer-tokens, than one by one.
    CHECK(stats.decode.weight_bytes * 2 < expected.stats.decode.weight_bytes);
    CHECK(stats.decode.layer_tokens == 6 * (stats.drafted + stats.decode_steps));
    CHECK(stats.head_evaluations == 1 + stats.drafted + stats.decode_steps);
}

TEST_CASE("depth drafts compute nothing twice", "[generate][speculative]") {
    std::mt19937 engine(5);
    eo::session drafting{small_network(), exits_for_drafts(), eo::depth_drafts{}, {.drafts = drafts_are_free}};
    drafting.start(random_prompt(engine, 10), {.max_new_tokens = 40});
    while (drafting.next()) {
    }
    const eo::run_stats stats = drafting.stats();
    CHECK(stats.accepted > 0);
    // Each token of a block passes each layer once, whether to be drafted from or to be verified.
    CHECK(stats.decode.layer_tokens == 6 * (stats.drafted + stats.decode_steps));
}

TEST_CASE("a rollback forgets accepted drafts, and the rest is the same again", "[generate][speculative]") {
    const text_model model;
    std::mt19937 engine(6);
    const ids prompt = random_prompt(engine, 8, 90);
    const eo::generate_options options{.max_new_tokens = 40, .temperature = 0.1f};
    eo::session plain{model};
    const eo::completion expected = plain.complete(prompt, options);
    const eo::any_drafter drafters[]{
        mistaken(prompt, expected),
        eo::best_of{eo::suffix_drafts{}, eo::hashed_drafts{.n = 1}, eo::recycled_drafts{}, eo::depth_drafts{}}};
    for (const eo::any_drafter& drafter : drafters) {
        eo::session drafting{model,
                             exits_for_drafts(),
                             eo::any_drafter(eo::best_of{drafter, eo::depth_drafts{}}),
                             {.drafts = drafts_are_free}};
        drafting.start(prompt, options);
        std::mt19937 choices(7);
        std::vector<recorded> events;
        for (int turn = 0; turn < 60; ++turn) {
            for (std::size_t count = choices() % 9; count != 0; --count) {
                const auto event = drafting.next();
                if (!event) break;
                events.emplace_back(*event);
            }
            const std::size_t kept = choices() % (events.size() + 1);
            drafting.rollback(kept);
            if (kept < events.size()) CHECK(drafting.tokens().size() == prompt.size() + (kept == 0 ? 0 : kept - 1));
            events.resize(kept);
        }
        while (const auto event = drafting.next()) events.emplace_back(*event);
        REQUIRE(events.size() == expected.ids.size());
        for (std::size_t i = 0; i < events.size(); ++i) {
            CHECK(events[i].id == expected.ids[i]);
            CHECK(same_bits({&events[i].log_probability, 1}, {&expected.log_probabilities[i], 1}));
        }
        CHECK(drafting.text() == expected.text);
    }
}

TEST_CASE("a session that drafts reuses prefixes and holds no unread tokens", "[generate][speculative]") {
    std::mt19937 engine(8);
    ids prompt = random_prompt(engine, 8);
    eo::session drafting{small_network(), eo::full_depth(), eo::suffix_drafts{}, {.drafts = drafts_are_free}};
    for (int request = 0; request < 12; ++request) {
        eo::session fresh{small_network()};
        const std::size_t wanted = 3 + engine() % 9;
        const eo::completion expected = fresh.complete(prompt, {.max_new_tokens = wanted});
        const eo::completion made = drafting.complete(prompt, {.max_new_tokens = wanted});
        CHECK(same_output(made, expected));
        CHECK(drafting.tokens().size() == prompt.size() + made.ids.size() - 1);
        if (request > 0) CHECK(made.stats.reused_tokens > 0);
        prompt.insert(prompt.end(), made.ids.begin(), made.ids.begin() + 1);
        if (engine() % 3 == 0) prompt.back() = static_cast<eo::token_id>(engine() % 97);
    }
}

TEST_CASE("a callback, a stop token and a full context end a drafted completion where they end any",
          "[generate][speculative]") {
    std::mt19937 engine(9);
    const ids prompt = random_prompt(engine, 12);
    eo::session plain{small_network()};
    const eo::completion expected = plain.complete(prompt, {.max_new_tokens = 200});
    CHECK(expected.finish_reason == eo::finish_reason::context_full);
    const eo::any_drafter some = mistaken(prompt, expected);
    eo::session drafting{small_network(), eo::full_depth(), some, {.drafts = drafts_are_free}};
    CHECK(same_output(drafting.complete(prompt, {.max_new_tokens = 200}), expected));

    for (const std::size_t last : {0u, 1u, 4u, 17u}) {
        const auto stops = [&](const eo::token_event& e) {
            return e.index == last ? eo::flow::stop : eo::flow::proceed;
        };
        const eo::completion made = drafting.complete(prompt, {.max_new_tokens = 200}, stops);
        CHECK(made.finish_reason == eo::finish_reason::callback);
        CHECK(std::ranges::equal(made.ids, std::span(expected.ids).first(last + 1)));
        CHECK(drafting.tokens().size() == prompt.size() + last);
    }

    std::stop_source stop;
    const auto cancels = [&](const eo::token_event& e) {
        if (e.index == 5) stop.request_stop();
        return eo::flow::proceed;
    };
    const eo::completion made = drafting.complete(prompt, {.max_new_tokens = 200, .cancel = stop.get_token()}, cancels);
    CHECK(made.finish_reason == eo::finish_reason::cancelled);
    CHECK(made.ids.size() >= 6);  // tokens of the block that had been verified
    CHECK(std::ranges::equal(made.ids, std::span(expected.ids).first(made.ids.size())));
    CHECK(same_output(drafting.complete(prompt, {.max_new_tokens = 200}), expected));
}

TEST_CASE("an observer of layers sees no draft", "[generate][speculative]") {
    std::mt19937 engine(10);
    const ids prompt = random_prompt(engine, 6);
    eo::session plain{small_network()};
    const eo::completion expected = plain.complete(prompt, {.max_new_tokens = 12});
    eo::session drafting{small_network(), eo::full_depth(), mistaken(prompt, expected), {.drafts = drafts_are_free}};
    std::size_t after_prompt = 0;
    const auto observe = [&](std::size_t, std::span<const eo::layer_token> tokens) {
        if (tokens.front().position >= prompt.size()) after_prompt = std::max(after_prompt, tokens.size());
    };
    CHECK(drafting.complete(prompt, {.max_new_tokens = 12, .after_layer = observe}).ids == expected.ids);
    CHECK(after_prompt == 1);
}

TEST_CASE("logits that are not numbers end a drafted completion at their token", "[generate][speculative]") {
    std::mt19937 engine(11);
    const ids prompt = random_prompt(engine, 6);
    eo::session plain{small_network()};
    const eo::completion expected = plain.complete(prompt, {.max_new_tokens = 30});
    const auto breaks = [&](std::span<const eo::token_id> so_far, std::span<float> logits) {
        if (so_far.size() == prompt.size() + 7) logits[3] = std::numeric_limits<float>::quiet_NaN();
    };
    eo::session drafting{small_network(), eo::full_depth(), mistaken(prompt, expected), {.drafts = drafts_are_free}};
    drafting.start(prompt, {.max_new_tokens = 30, .on_logits = breaks});
    std::size_t made = 0;
    while (drafting.next()) ++made;
    CHECK(made == 7);
    CHECK(drafting.finish_reason() == eo::finish_reason::not_a_number);
}

TEST_CASE("exits without a drafter of theirs draft nothing", "[generate][speculative]") {
    std::mt19937 engine(12);
    const ids prompt = random_prompt(engine, 10);
    eo::session exits{small_network(), policy(hash_gate{}, eo::defer{})};
    eo::session drafting{small_network(), policy(hash_gate{}, eo::defer{}), eo::suffix_drafts{}};
    const eo::completion made = drafting.complete(prompt, {.max_new_tokens = 30});
    CHECK(same_output(made, exits.complete(prompt, {.max_new_tokens = 30})));
    CHECK(made.stats.drafted == 0);
    CHECK(*std::ranges::min_element(made.exit_layers) < 6);
}

TEST_CASE("several sequences are verified together as each alone", "[generate][speculative]") {
    std::mt19937 engine(13);
    const auto full = eo::full_depth();
    eo::session plain{small_network()};
    std::vector<ids> prompts, expected;
    for (int i = 0; i < 3; ++i) {
        prompts.push_back(random_prompt(engine, 5 + engine() % 9));
        expected.push_back(plain.complete(prompts.back(), {.max_new_tokens = 24}).ids);
    }
    const eo::suffix_drafts drafter;
    using step_type = eo::speculative<eo::gpt2<>, decltype(eo::full_depth()), eo::suffix_drafts>;
    const step_type step(small_network(), full, drafter);
    std::vector<std::unique_ptr<step_type::generation_type>> all;
    std::vector<ids> made(3);
    for (const ids& prompt : prompts) {
        all.push_back(std::make_unique<step_type::generation_type>(
            small_network(), full, drafter, eo::sequence(small_network().shape(), 64), 16, drafts_are_free));
        all.back()->options = {.max_new_tokens = 24};
        all.back()->signals.start_completion(prompt.size());
        for (const eo::token_id id : prompt) all.back()->tokens.push(small_network(), id);
    }
    eo::run_context context(small_network(), 32, support::one_thread());
    for (bool more = true; more;) {
        more = false;
        std::vector<step_type::generation_type*> running;
        for (std::size_t i = 0; i < 3; ++i) {
            if (made[i].size() >= 24) continue;
            if (!made[i].empty()) {
                all[i]->tokens.push(small_network(), made[i].back());
                all[i]->is_prompt = false;
            }
            all[i]->drafts.limit = 24 - made[i].size() - 1;
            running.push_back(all[i].get());
            more = true;
        }
        if (!more) break;
        step.predict(context, running);
        for (std::size_t i = 0; i < 3; ++i) {
            if (made[i].size() >= 24) continue;
            for (const eo::prediction& p : all[i]->accepted) made[i].push_back(p.token);
        }
    }
    CHECK(made == expected);
}

TEST_CASE("a step that drafts allocates nothing", "[generate][speculative]") {
    const text_model model;
    std::mt19937 engine(14);
    const ids prompt = random_prompt(engine, 20, 90);
    const auto check = [&](const auto& policy, const eo::any_drafter& drafter, const eo::generate_options& options) {
        eo::session s{model, policy, drafter, {.drafts = drafts_are_free}};
        s.start(prompt, options);
        std::size_t taken = 0;
        bool more = true;
        while (more) taken += allocations_of([&] { more = s.next().has_value(); });
        CHECK(taken == 0);
        CHECK(s.stats().drafted > 0);
    };
    for (const float temperature : {0.0f, 0.2f}) {
        const eo::generate_options options{.max_new_tokens = 40, .temperature = temperature};
        check(eo::full_depth(), eo::suffix_drafts{}, options);
        check(eo::full_depth(), eo::hashed_drafts{.n = 1}, options);
        check(eo::full_depth(), eo::recycled_drafts{}, options);
        check(exits_for_drafts(), eo::best_of{eo::suffix_drafts{}, eo::depth_drafts{}}, options);
        check(eo::exit_policy{eo::exit_plan{every_layer, eo::margin{0.01f}}, eo::shortlist{8}}, eo::depth_drafts{},
              options);
    }
}
