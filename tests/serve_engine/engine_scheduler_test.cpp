// SPDX-License-Identifier: MIT
#include <earlyout/generate/make_session.hpp>
#include <earlyout/io/load.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <mutex>
#include <new>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "serve/engine_scheduler.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;

namespace {

const serve::model& bundled() {
    static const auto made = eo::io::load<eo::any_model>(EARLYOUT_EXAMPLE_MODEL, eo::any_format("int8"));
    return made;
}

const std::string program =
    "import os\nimport sys\n\n\ndef read_file(path):\n    with open(path) as f:\n        return f.read()\n\n\n"
    "def write_file(path, text):\n    with open(path, 'w') as f:\n        f.write(text)\n\n\nclass Parser(object):\n";

std::vector<eo::token_id> prompt_of(std::size_t bytes) {
    return eo::encode_prompt(bundled(), program.substr(0, std::min(bytes, program.size())));
}

serve::outcome wait_for(serve::engine& on, serve::job wanted) {
    std::promise<serve::outcome> done;
    wanted.on_end = [&](serve::outcome o) { done.set_value(std::move(o)); };
    on.submit(std::move(wanted));
    return done.get_future().get();
}

struct costs {
    double token_seconds = 0.0;
    std::size_t reusable = 0;
    bool operator==(const costs&) const = default;
};
/// Returns what a prompt costs now; the job that is told it runs another one.
costs costs_of(serve::engine& on, const std::vector<eo::token_id>& prompt) {
    costs made;
    serve::job wanted{.prompt = {5}, .options = {}};
    wanted.prefill_only = true;
    wanted.shorten = [&](const serve::prompt_costs& told) {
        made = {told.token_seconds, told.reusable(prompt)};
        return std::vector<eo::token_id>{5};
    };
    (void)wait_for(on, std::move(wanted));
    return made;
}

const char* const policies[] = {"",
                                "full-depth",
                                "fitted",
                                "margin(0.5) @ 2,4; cache=defer",
                                "margin(0.6) @ 3",
                                "full-depth; draft=suffix",
                                "margin(0.3) @ 2; cache=defer(prefill=lazy)"};

serve::job random_job(std::mt19937& engine) {
    serve::job made;
    made.prompt = prompt_of(1 + engine() % program.size());
    made.options = {.max_new_tokens = 1 + engine() % 24};
    if (engine() % 2 == 0) {
        made.options.temperature = 0.8f;
        made.options.top_k = 40;
        made.options.seed = engine();
    }
    if (engine() % 4 == 0) made.options.stop_strings = {"\n"};
    if (engine() % 6 == 0) made.logit_bias = {{13, -2.0f}};
    made.policy = policies[engine() % std::size(policies)];
    if (engine() % 6 == 0) made.drafts = "none";
    made.reuse_prefix = engine() % 5 != 0;
    made.prefill_only = engine() % 16 == 0;
    return made;
}

}  // namespace

TEST_CASE("completions of the engine are those of sessions", "[serve_engine]") {
    const auto on = serve::make_engine(bundled(), {.slots = 3, .capacity = 256});
    for (const char* const policy : {"full-depth", "fitted", "margin(0.5) @ 2,4; cache=defer"}) {
        for (const float temperature : {0.0f, 0.7f}) {
            serve::job job{.prompt = prompt_of(60), .options = {.max_new_tokens = 20, .temperature = temperature}};
            job.policy = policy;
            std::string streamed;
            job.on_token = [&](const serve::new_token& t) {
                streamed += t.piece;
                return eo::flow::proceed;
            };
            const eo::generate_options options = job.options;
            const auto prompt = job.prompt;
            const serve::outcome found = wait_for(*on, std::move(job));
            auto session = eo::make_session(bundled(), eo::policy_spec::parse(policy), {.capacity = 256});
            const eo::completion expected = session.complete(prompt, options);
            CHECK(found.text == expected.text);
            CHECK(streamed + found.unstreamed == expected.text);
            CHECK(found.ids == expected.ids);
            CHECK(found.stats.exit_histogram == expected.stats.exit_histogram);
            CHECK(found.reason == expected.finish_reason);
            CHECK(!found.policy.empty());
            CHECK(found.policy != "fitted");  // what that stands for
        }
    }
}

TEST_CASE("200 mixed completions are the same alone and 8 at once, with cancellations between", "[serve_engine]") {
    std::vector<serve::outcome> alone(200), together(200);
    {
        const auto on = serve::make_engine(bundled(), {.slots = 1, .capacity = 256});
        std::mt19937 engine(7);
        for (auto& outcome : alone) {
            serve::job job = random_job(engine);
            job.reuse_prefix = false;
            job.drafts = "none";
            outcome = wait_for(*on, std::move(job));
        }
    }
    {
        const auto on = serve::make_engine(bundled(), {.slots = 8, .capacity = 256, .threads = 2});
        std::mt19937 engine(7), others(8);
        std::atomic<std::size_t> ended = 0;
        std::size_t submitted = 0;
        for (auto& outcome : together) {
            serve::job job = random_job(engine);
            job.on_end = [&outcome, &ended](serve::outcome o) {
                outcome = std::move(o);
                ++ended;
            };
            on->submit(std::move(job));
            ++submitted;
            if (others() % 3 == 0) {
                serve::job cancelled = random_job(others);
                std::stop_source stop;
                cancelled.options.cancel = stop.get_token();
                cancelled.options.max_new_tokens = 100;
                cancelled.on_end = [&ended](const serve::outcome&) { ++ended; };
                on->submit(std::move(cancelled));
                ++submitted;
                std::this_thread::sleep_for(std::chrono::microseconds(others() % 3000));
                stop.request_stop();
            }
            while (submitted - ended > 12) std::this_thread::yield();
        }
        while (ended < submitted) std::this_thread::yield();
    }
    for (std::size_t i = 0; i < alone.size(); ++i) {
        INFO(i << ", " << alone[i].policy);
        CHECK(together[i].error.empty());
        CHECK(together[i].text == alone[i].text);
        CHECK(together[i].ids == alone[i].ids);
        CHECK(together[i].reason == alone[i].reason);
    }
}

TEST_CASE("a job that cannot run ends with a sentence", "[serve_engine]") {
    const auto on = serve::make_engine(bundled(), {.slots = 1, .capacity = 64});
    serve::job bad{.prompt = prompt_of(10), .options = {}};
    bad.policy = "margins(0.5)";
    CHECK(support::error_of([&] { on->check(bad); }).code == "invalid_argument");
    CHECK(wait_for(*on, bad).error.find("margins") != std::string::npos);
    bad.policy = {};
    bad.drafts = "magic";
    CHECK(wait_for(*on, bad).error.find("magic") != std::string::npos);
    serve::job long_one{.prompt = std::vector<eo::token_id>(65, 5), .options = {}};
    CHECK(support::error_of([&] { on->check(long_one); }) ==
          support::thrown(eo::errc::out_of_range, {"at most 64", "found 65"}));
    CHECK(!wait_for(*on, long_one).error.empty());
    CHECK(!wait_for(*on, {.prompt = {}, .options = {}}).error.empty());
    CHECK(!wait_for(*on, {.prompt = {1 << 30}, .options = {}}).error.empty());
    CHECK(support::error_of([] { (void)serve::make_engine(bundled(), {.slots = 0}); }).code == "invalid_argument");
    CHECK(support::error_of([] { (void)serve::make_engine(bundled(), {.kv_memory = 1000}); }) ==
          support::thrown(eo::errc::invalid_argument, {"KV memory", "found 1000"}));
    CHECK(wait_for(*on, {.prompt = prompt_of(10), .options = {.max_new_tokens = 3}}).ids.size() == 3);
}

TEST_CASE("likely tokens are reported, and biased as asked", "[serve_engine]") {
    const auto on = serve::make_engine(bundled(), {.slots = 1, .capacity = 64});
    serve::job job{.prompt = prompt_of(30), .options = {.max_new_tokens = 6}};
    job.policy = "full-depth";
    job.top_tokens = 3;
    std::vector<serve::new_token> tokens;
    job.on_token = [&](const serve::new_token& t) {
        tokens.push_back(t);
        return eo::flow::proceed;
    };
    const serve::outcome plain = wait_for(*on, job);
    REQUIRE(tokens.size() == 6);
    for (const serve::new_token& t : tokens) {
        REQUIRE(t.top.size() == 3);
        CHECK(t.top[0].id == t.id);
        CHECK(t.top[0].log_probability == Approx(t.log_probability).margin(1e-4));
        CHECK(t.top[0].log_probability >= t.top[1].log_probability);
    }
    job.logit_bias = {{plain.ids.front(), -INFINITY}};
    const serve::outcome biased = wait_for(*on, job);
    CHECK(biased.ids.front() != plain.ids.front());
}

TEST_CASE("a warm-up fills the cache, and the engine counts", "[serve_engine]") {
    const auto on = serve::make_engine(bundled(), {.slots = 2, .capacity = 256});
    const auto prompt = prompt_of(200);
    CHECK(costs_of(*on, prompt) == costs{0.0, 0});
    serve::job warm{.prompt = prompt, .options = {}};
    warm.prefill_only = true;
    CHECK(wait_for(*on, std::move(warm)).ids.empty());
    CHECK(costs_of(*on, prompt).reusable == prompt.size() - 1);
    const serve::outcome done = wait_for(*on, {.prompt = prompt, .options = {.max_new_tokens = 5}});
    CHECK(done.stats.reused_tokens == prompt.size() - 1);
    const serve::engine_counts counts = on->counts();
    CHECK(counts.new_tokens == done.ids.size());
    CHECK(counts.prompt_tokens >= prompt.size());
    CHECK(counts.reused_tokens == prompt.size() - 1);
    CHECK(counts.layer_tokens > 0);
    CHECK(counts.kv_bytes_used > 0);
    CHECK(counts.kv_bytes_used <= counts.kv_bytes_max);
    CHECK(costs_of(*on, prompt).token_seconds > 0.0);
    CHECK(on->slots() == 2);
    CHECK(on->slot_states().size() == 2);
}

TEST_CASE("what a limit omitted is computed when there is nothing else to do", "[serve_engine]") {
    const auto on = serve::make_engine(bundled(), {.slots = 1, .capacity = 256});
    const auto prompt = prompt_of(program.size());
    const std::vector<eo::token_id> part(prompt.end() - 8, prompt.end());
    serve::job cut{.prompt = prompt, .options = {.max_new_tokens = 3}};
    cut.shorten = [&](const serve::prompt_costs&) { return part; };
    const serve::outcome shortened = wait_for(*on, cut);
    CHECK(shortened.stats.prompt_tokens == 8);
    CHECK(shortened.ids == wait_for(*on, {.prompt = part, .options = {.max_new_tokens = 3}}).ids);

    // Whoever asks in between is served first, and what he interrupts goes on.
    std::size_t reusable = 0;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (reusable + 1 < prompt.size() && std::chrono::steady_clock::now() < until) {
        reusable = costs_of(*on, prompt).reusable;
    }
    CHECK(reusable + 1 == prompt.size());
    CHECK(on->counts().running == 0);
    const serve::outcome whole = wait_for(*on, {.prompt = prompt, .options = {.max_new_tokens = 3}});
    CHECK(whole.stats.reused_tokens + 1 == prompt.size());
}

TEST_CASE("a completion that fails ends with the reason", "[serve_engine]") {
    const auto on = serve::make_engine(bundled(), {.slots = 1, .capacity = 64});
    serve::job wanted{.prompt = prompt_of(10), .options = {.max_new_tokens = 3}};
    wanted.options.on_logits = [](auto, auto) { throw std::bad_alloc(); };
    CHECK(wait_for(*on, wanted).error == "the server has not enough memory for this completion");
    wanted.options.on_logits = [](auto, auto) { throw std::runtime_error("a reason"); };
    CHECK(wait_for(*on, wanted).error == "a reason");
    wanted.options.on_logits = nullptr;
    wanted.shorten = [](const serve::prompt_costs&) -> std::vector<eo::token_id> { throw std::bad_alloc(); };
    CHECK(!wait_for(*on, wanted).error.empty());
    wanted.shorten = nullptr;
    CHECK(wait_for(*on, wanted).ids.size() == 3);
}

TEST_CASE("an engine that ends, ends its completions", "[serve_engine]") {
    std::atomic<int> ended = 0;
    auto on = serve::make_engine(bundled(), {.slots = 1, .capacity = 512});
    for (int i = 0; i < 3; ++i) {
        serve::job job{.prompt = prompt_of(100), .options = {.max_new_tokens = 400}};
        job.options.end_of_text = std::vector<eo::token_id>{};
        job.on_end = [&](const serve::outcome&) { ++ended; };
        on->submit(std::move(job));
    }
    on.reset();
    CHECK(ended == 3);
}
