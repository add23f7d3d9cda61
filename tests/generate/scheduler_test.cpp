// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_cache_policy.hpp>
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/gates/budget.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/drafts/any_drafter.hpp>
#include <earlyout/generate/drafts/depth_drafts.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/scheduler.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;

namespace {

using any_policy = eo::any_exit_policy;
using scheduler = eo::scheduler<text_model, any_policy, eo::any_drafter>;
using shared_policy = std::shared_ptr<const any_policy>;
using shared_drafter = std::shared_ptr<const eo::any_drafter>;

/// Policies of every kind, each with what it drafts with.
struct choice {
    shared_policy policy;
    shared_drafter drafter;
};
std::vector<choice> choices() {
    const auto exits = [](eo::any_gate gate, eo::any_head head, eo::any_cache_policy cache) {
        return std::make_shared<any_policy>(eo::exit_plan{eo::exit_layers({1, 2, 3, 4, 5}), std::move(gate)},
                                            std::move(head), std::move(cache));
    };
    const auto full = std::make_shared<any_policy>(eo::exit_plan{eo::exit_layers({}), eo::any_gate(eo::never_exit{})});
    const auto none = std::make_shared<eo::any_drafter>();
    const auto suffix = std::make_shared<eo::any_drafter>(eo::suffix_drafts{});
    const auto depth = std::make_shared<eo::any_drafter>(eo::depth_drafts{});
    const hash_gate hash{.seed = 5, .exit_percent = 40, .stop_percent = 1};
    return {
        {full, none},
        {full, suffix},
        {exits(hash, eo::shared_head{}, eo::defer{}), none},
        {exits(hash, eo::shared_head{}, eo::propagate{}), none},
        {exits(remembering_gate{}, eo::shared_head{}, eo::omit{}), none},
        {exits(hash_gate{}, eo::shared_head{}, eo::defer{.cap = 3, .prefill = eo::prefill::lazy}), none},
        {exits(hash_gate{}, eo::shortlist{9}, eo::defer{}), none},
        {exits(hash_gate{}, eo::shortlist{9, eo::shared_head{}, eo::shortlist_reach::full_depth}, eo::defer{}), none},
        {exits(eo::token_budget{7}, eo::shared_head{}, eo::defer{}), none},
        {exits(hash_gate{}, eo::shared_head{}, eo::defer{}), depth}};
}

eo::generate_options options_of(std::mt19937& engine) {
    eo::generate_options o{.max_new_tokens = 1 + engine() % 20};
    if (engine() % 2 == 0) {
        o.temperature = 0.8f;
        o.top_k = 20;
        o.seed = engine();
    }
    if (engine() % 4 == 0) o.stop_strings = {"ab", "ca"};
    if (engine() % 5 == 0) o.repetition_penalty = 1.3f;
    if (engine() % 5 == 0) {
        o.on_logits = [](std::span<const eo::token_id> ids, std::span<float> logits) {
            logits[static_cast<std::size_t>(ids.back())] -= 2.0f;
        };
    }
    return o;
}

struct observed {
    std::vector<recorded> events;
    std::optional<eo::completion> done;
};

scheduler::job job_of(const ids& prompt, const choice& by, const eo::generate_options& options, observed& into) {
    return {.prompt = prompt,
            .options = options,
            .policy = by.policy,
            .drafter = by.drafter,
            .on_token =
                [&into](const eo::token_event& e) {
                    into.events.emplace_back(e);
                    return eo::flow::proceed;
                },
            .on_end = [&into](const eo::completion& done) { into.done = done; }};
}

observed alone(const text_model& model, const ids& prompt, const choice& by, const eo::generate_options& options) {
    eo::session s{model, *by.policy, *by.drafter};
    observed made;
    made.done = s.complete(prompt, options, [&](const eo::token_event& e) {
        made.events.emplace_back(e);
        return eo::flow::proceed;
    });
    return made;
}

}  // namespace

TEST_CASE("completions that run together are those of sessions", "[generate][scheduler]") {
    const text_model model;
    const std::vector<choice> all = choices();
    std::mt19937 engine(21);
    const std::size_t threads = GENERATE(1u, 2u);
    scheduler together(model, {.sequences = 5, .threads = threads, .block = 7, .max_stall = 1e-9});
    std::vector<ids> prompts;
    for (int round = 0; round < 6; ++round) {
        std::vector<std::unique_ptr<observed>> found;
        std::vector<observed> expected;
        for (int i = 0; i < 12; ++i) {
            ids prompt = random_prompt(engine, 1 + engine() % 40, 90);
            // Many begin as an earlier one did.
            if (!prompts.empty() && engine() % 2 == 0) {
                const ids& earlier = prompts[engine() % prompts.size()];
                std::copy_n(earlier.begin(), std::min(earlier.size(), prompt.size()) * 3 / 4, prompt.begin());
            }
            prompts.push_back(prompt);
            const choice& by = all[engine() % all.size()];
            const eo::generate_options options = options_of(engine);
            expected.push_back(alone(model, prompt, by, options));
            found.push_back(std::make_unique<observed>());
            together.submit(job_of(prompt, by, options, *found.back()));
            for (std::size_t steps = engine() % 4; steps > 0; --steps) (void)together.run();
        }
        while (together.run()) {
        }
        CHECK(together.running() == 0);
        CHECK(together.waiting() == 0);
        for (std::size_t i = 0; i < found.size(); ++i) {
            INFO("round " << round << ", completion " << i);
            REQUIRE(found[i]->done);
            CHECK(found[i]->events == expected[i].events);
            CHECK(same_output(*found[i]->done, *expected[i].done));
        }
    }
}

namespace {

/// Long enough for several pages of keys and values.
const eo::gpt2<>& long_network() {
    static const eo::gpt2<> made =
        random_gpt2({.layers = 3, .d_model = 12, .heads = 3, .vocab = 97, .context = 1400}, 7);
    return made;
}
using ids_scheduler = eo::scheduler<eo::gpt2<>, any_policy, eo::any_drafter>;

choice full_depth_choice() { return choices().front(); }

ids_scheduler::job ids_job(ids prompt, std::size_t new_tokens, std::optional<eo::completion>& into) {
    const choice by = full_depth_choice();
    return {.prompt = std::move(prompt),
            .options = {.max_new_tokens = new_tokens},
            .policy = by.policy,
            .drafter = by.drafter,
            .on_end = [&into](const eo::completion& done) { into = done; }};
}
ids expected_of(const ids& prompt, std::size_t new_tokens) {
    eo::session s{long_network(), eo::full_depth(), {.capacity = 1400}};
    return s.complete(prompt, {.max_new_tokens = new_tokens}).ids;
}

}  // namespace

TEST_CASE("long prompts share the pages of what they have in common", "[generate][scheduler]") {
    std::mt19937 engine(22);
    const ids common = random_prompt(engine, 1100);
    ids_scheduler together(long_network(), {.sequences = 2, .capacity = 1300, .block = 64, .kv_pages = 18});
    std::vector<std::optional<eo::completion>> done(4);
    std::vector<ids> prompts;
    for (std::size_t i = 0; i < 4; ++i) {
        ids prompt(common.begin(), common.begin() + (i == 3 ? 600 : 1050));
        const ids more = random_prompt(engine, 20 + 10 * i);
        prompt.insert(prompt.end(), more.begin(), more.end());
        prompts.push_back(prompt);
        together.submit(ids_job(prompt, 8, done[i]));
    }
    while (together.run()) {
    }
    for (std::size_t i = 0; i < 4; ++i) {
        INFO(i);
        REQUIRE(done[i]);
        CHECK(done[i]->ids == expected_of(prompts[i], 8));
    }
    // The first two ran at once; the others find what the first left.
    CHECK(done[2]->stats.reused_tokens >= 1050);
    CHECK(done[3]->stats.reused_tokens >= 600);
}

TEST_CASE("completions wait for memory, and what has ended makes room", "[generate][scheduler]") {
    std::mt19937 engine(23);
    // For one sequence at a time.
    ids_scheduler together(long_network(), {.sequences = 3, .capacity = 1400, .kv_pages = 9});
    std::vector<std::optional<eo::completion>> done(3);
    std::vector<ids> prompts;
    for (std::size_t i = 0; i < 3; ++i) {
        prompts.push_back(random_prompt(engine, 1050 + 20 * i));
        together.submit(ids_job(prompts[i], 5, done[i]));
    }
    REQUIRE(together.run());
    CHECK(together.running() == 1);
    CHECK(together.waiting() == 2);
    while (together.run()) CHECK(together.running() <= 1);
    for (std::size_t i = 0; i < 3; ++i) {
        REQUIRE(done[i]);
        CHECK(done[i]->ids == expected_of(prompts[i], 5));
    }
    // The same again, of which nothing fits beside the sequence that holds it.
    std::optional<eo::completion> again;
    together.submit(ids_job(prompts[2], 6, again));
    while (together.run()) {
    }
    CHECK(again->ids == expected_of(prompts[2], 6));

    ids_scheduler small(long_network(), {.sequences = 1, .capacity = 1400, .kv_pages = 6});
    CHECK(support::error_of([&] { small.submit(ids_job(prompts[0], 5, again)); }) ==
          support::thrown(eo::errc::out_of_range, {"max_new_tokens", "at most 1024", "found 1055"}));
    CHECK(support::error_of([&] { small.submit(ids_job({97}, 5, again)); }).code == "out_of_range");
    CHECK(support::error_of([&] { small.submit(ids_job({}, 5, again)); }).code == "invalid_argument");
    CHECK(support::error_of([] { ids_scheduler(long_network(), {.sequences = 0}); }).code == "invalid_argument");
    CHECK(support::error_of([] { ids_scheduler(long_network(), {.block = 0}); }).code == "invalid_argument");
}

TEST_CASE("a prompt that is only computed speeds up the next", "[generate][scheduler]") {
    std::mt19937 engine(24);
    const ids prompt = random_prompt(engine, 300);
    ids_scheduler together(long_network(), {.sequences = 2, .block = 32});
    std::optional<eo::completion> warm, done;
    auto job = ids_job(prompt, 4, warm);
    job.only_prefill = true;
    together.submit(std::move(job));
    while (together.run()) {
    }
    REQUIRE(warm);
    CHECK(warm->ids.empty());
    CHECK(together.reusable(prompt) == 299);
    together.submit(ids_job(prompt, 4, done));
    while (together.run()) {
    }
    CHECK(done->stats.reused_tokens == 299);
    CHECK(done->ids == expected_of(prompt, 4));
    // Reuse can be declined; the output is the same.
    auto fresh = ids_job(prompt, 4, done);
    fresh.reuses_prefix = false;
    together.submit(std::move(fresh));
    while (together.run()) {
    }
    CHECK(done->stats.reused_tokens == 0);
    CHECK(done->ids == expected_of(prompt, 4));
}

TEST_CASE("a cancelled completion ends within a round and disturbs no other", "[generate][scheduler]") {
    std::mt19937 engine(25);
    ids_scheduler together(long_network(), {.sequences = 2, .block = 16});
    std::vector<std::optional<eo::completion>> done(4);
    std::vector<ids> prompts;
    std::stop_source cancel[4];
    for (std::size_t i = 0; i < 4; ++i) {
        prompts.push_back(random_prompt(engine, 100));
        auto job = ids_job(prompts[i], 30, done[i]);
        job.options.cancel = cancel[i].get_token();
        together.submit(std::move(job));
    }
    for (int i = 0; i < 3; ++i) CHECK(together.run());
    cancel[0].request_stop();  // within its prompt
    cancel[3].request_stop();  // while it waits
    CHECK(together.run());
    REQUIRE(done[0]);
    REQUIRE(done[3]);
    CHECK(done[0]->finish_reason == eo::finish_reason::cancelled);
    CHECK(done[3]->finish_reason == eo::finish_reason::cancelled);
    while (!done[2]) REQUIRE(together.run());
    cancel[1].request_stop();
    while (together.run()) {
    }
    CHECK(done[2]->ids == expected_of(prompts[2], 30));
    // What it had computed of its prompt is of use, and right.
    CHECK(together.reusable(prompts[0]) >= 16);
    std::optional<eo::completion> again;
    together.submit(ids_job(prompts[0], 30, again));
    while (together.run()) {
    }
    CHECK(again->stats.reused_tokens >= 16);
    CHECK(again->ids == expected_of(prompts[0], 30));
}

TEST_CASE("prompts run in chunks between the tokens of others", "[generate][scheduler]") {
    std::mt19937 engine(26);
    ids_scheduler together(long_network(), {.sequences = 2, .block = 64, .max_stall = 1e-9});
    std::optional<eo::completion> first, second;
    std::size_t tokens = 0;
    auto job = ids_job(random_prompt(engine, 40), 200, first);
    job.on_token = [&](const eo::token_event&) {
        ++tokens;
        return eo::flow::proceed;
    };
    together.submit(std::move(job));
    for (int i = 0; i < 5; ++i) (void)together.run();
    const ids prompt = random_prompt(engine, 400);
    together.submit(ids_job(prompt, 3, second));
    const std::size_t before = tokens;
    CHECK(together.prompt_token_seconds() > 0.0);
    while (!second) (void)together.run();
    CHECK(tokens - before >= 400 / 8);  // at least one token for each chunk of the fewest tokens
    CHECK(second->ids == expected_of(prompt, 3));
    while (together.run()) {
    }
    CHECK(first->ids.size() == 200);
}

TEST_CASE("a round that fails ends its completions with the reason, and others go on", "[generate][scheduler]") {
    std::mt19937 engine(27);
    const std::vector<ids> prompts = {random_prompt(engine, 10), random_prompt(engine, 10), random_prompt(engine, 10)};
    ids_scheduler together(long_network(), {.sequences = 2});
    std::vector<std::optional<eo::completion>> done(3);
    std::vector<std::string> errors;
    const auto note = [&](const std::exception_ptr& error) {
        errors.push_back(support::error_of([&] { std::rethrow_exception(error); }).message);
    };
    for (std::size_t i = 0; i < 3; ++i) {
        auto job = ids_job(prompts[i], 8, done[i]);
        job.on_error = note;
        if (i == 1) {
            job.options.on_logits = [](std::span<const eo::token_id> before, std::span<float>) {
                if (before.size() == 14) eo::fail(eo::errc::invalid_argument, "enough");
            };
        }
        together.submit(std::move(job));
    }
    while (together.run()) {
    }
    CHECK(errors == std::vector<std::string>{"enough", "enough"});
    CHECK(!done[0]);
    CHECK(!done[1]);
    REQUIRE(done[2]);
    CHECK(done[2]->ids == expected_of(prompts[2], 8));

    // Without on_error it is run() that throws, once.
    auto job = ids_job(prompts[0], 8, done[0]);
    job.options.on_logits = [](auto, auto) { eo::fail(eo::errc::invalid_argument, "enough"); };
    together.submit(std::move(job));
    CHECK(support::error_of([&] { (void)together.run(); }).message == "enough");
    CHECK_FALSE(together.run());
    CHECK(together.running() == 0);
    together.submit(ids_job(prompts[0], 8, done[0]));
    while (together.run()) {
    }
    CHECK(done[0]->ids == expected_of(prompts[0], 8));
}

namespace {

/// A gate that lacks something when a sequence begins.
struct lacking_gate {
    static constexpr eo::signal_set signals = eo::signal::argmax;
    struct sequence_state {};
    const bool* lacks = nullptr;
    [[nodiscard]] sequence_state start_sequence() const {
        if (*lacks) throw std::bad_alloc();
        return {};
    }
    eo::decision operator()(const auto&, sequence_state&) const { return eo::decision::go_on; }
};

}  // namespace

TEST_CASE("a completion that cannot begin ends with the reason, and the next one begins", "[generate][scheduler]") {
    bool lacks = true;
    const auto policy =
        std::make_shared<any_policy>(eo::exit_plan{eo::exit_layers({1}), eo::any_gate(lacking_gate{&lacks})});
    ids_scheduler together(long_network(), {.sequences = 1});
    std::vector<std::optional<eo::completion>> done(2);
    std::string error;
    bool has_started = false;
    auto job = ids_job({1, 2, 3}, 4, done[0]);
    job.policy = policy;
    job.on_start = [&] { has_started = true; };
    job.on_error = [&](const std::exception_ptr& e) {
        error = support::error_of([&] { std::rethrow_exception(e); }).message;
    };
    together.submit(job);
    together.submit(ids_job({1, 2, 3}, 4, done[1]));
    CHECK(together.run());
    CHECK(error == std::bad_alloc().what());
    CHECK(!has_started);
    CHECK(together.waiting() == 0);
    job.on_error = nullptr;
    together.submit(job);
    while (!done[1]) (void)together.run();
    CHECK(support::error_of([&] { (void)together.run(); }).message == std::bad_alloc().what());
    CHECK_FALSE(together.run());
    lacks = false;
    together.submit(job);
    while (together.run()) {
    }
    CHECK(has_started);
    REQUIRE(done[0]);
    CHECK(done[0]->ids == expected_of({1, 2, 3}, 4));
    CHECK(done[1]->ids == done[0]->ids);
}

TEST_CASE("a callback ends its completion", "[generate][scheduler]") {
    ids_scheduler together(long_network(), {.sequences = 1});
    std::optional<eo::completion> done;
    auto job = ids_job({1, 2, 3}, 50, done);
    job.on_token = [](const eo::token_event& e) { return e.index == 4 ? eo::flow::stop : eo::flow::proceed; };
    together.submit(std::move(job));
    while (together.run()) {
    }
    CHECK(done->finish_reason == eo::finish_reason::callback);
    CHECK(done->ids.size() == 5);
    const auto states = together.states();
    REQUIRE(states.size() == 1);
    CHECK(!states[0].is_busy);
    CHECK(states[0].held_tokens == 7);
    CHECK(together.work().layer_tokens >= 3 * 7);
}
