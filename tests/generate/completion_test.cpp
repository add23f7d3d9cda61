// SPDX-License-Identifier: MIT
// How a completion begins, streams and ends.
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/generate/session.hpp>

#include <chrono>
#include <cstddef>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;
using eo::errc;
using eo::finish_reason;

namespace {

const eo::generate_options lively{.max_new_tokens = 30, .temperature = 1.0f, .seed = 3};

std::string streamed(eo::session<text_model>& s, const ids& prompt, const eo::generate_options& options,
                     eo::completion& made) {
    std::string text;
    made = s.complete(prompt, options, [&](const eo::token_event& t) {
        text += t.piece;
        return eo::flow::proceed;
    });
    return text;
}

/// Cancels the completion when evaluated, before the layers above have run.
struct cancelling {
    static constexpr eo::signal_set signals = eo::no_signals;
    std::stop_source* source;
    eo::decision operator()(const auto&) const {
        source->request_stop();
        return eo::decision::go_on;
    }
};

}  // namespace

TEST_CASE("pieces put together are the text", "[generate][completion]") {
    const text_model model;
    std::mt19937 engine(1);
    eo::session s{model};
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        eo::generate_options options = lively;
        options.seed = seed;
        eo::completion made;
        const std::string text = streamed(s, random_prompt(engine, 5, 90), options, made);
        CHECK(text + made.unstreamed == made.text);
        CHECK(made.unstreamed.empty());
        CHECK(made.text == text_of(made.ids));
        CHECK(made.finish_reason == finish_reason::max_new_tokens);
    }
}

TEST_CASE("a stop string ends the text before it, across token boundaries", "[generate][completion]") {
    const text_model model;
    std::mt19937 engine(2);
    eo::session s{model};
    std::size_t across = 0;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        eo::generate_options options = lively;
        options.seed = seed;
        const ids prompt = random_prompt(engine, 5, 90);
        const std::string whole = s.complete(prompt, options).text;
        options.stop_strings = {whole.substr(seed % 20, 3 + seed % 3), "zzz"};
        eo::completion made;
        const std::string text = streamed(s, prompt, options, made);
        REQUIRE(made.finish_reason == finish_reason::stop_string);
        CHECK(made.text == whole.substr(0, whole.find(options.stop_strings[0])));
        CHECK(text + made.unstreamed == made.text);
        CHECK(made.unstreamed.empty());
        across += options.stop_strings[0].size() > toy_tokenizer::piece_of(made.ids.back()).size() ? 1 : 0;
    }
    CHECK(across > 10);
}

TEST_CASE("nothing that might become a stop string is shown", "[generate][stop_matcher]") {
    const std::vector<std::string> stops{"ababc", "bd"};
    const eo::stop_matcher matcher(stops);
    CHECK(matcher.look("xxab", 0).shown == 2);
    CHECK(matcher.look("xxabab", 4).shown == 2);
    CHECK(matcher.look("xxababa", 6).shown == 4);
    CHECK(matcher.look("xxababab", 7).shown == 4);
    CHECK(matcher.look("xxabababc", 8).found);
    CHECK(matcher.look("xxabababc", 8).shown == 4);
    CHECK(matcher.look("xxb", 2).shown == 2);
    CHECK(matcher.look("xxbd", 3).found);
    CHECK(matcher.look("xxbx", 3).shown == 4);
    const std::vector<std::string> empty{""};
    CHECK(error_of([&] { eo::stop_matcher{empty}; }).code == "invalid_argument");
}

TEST_CASE("an end-of-text token ends the completion and has no text", "[generate][completion]") {
    text_model model;
    std::mt19937 engine(3);
    eo::session s{model};
    const ids prompt = random_prompt(engine, 5, 90);
    const eo::completion whole = s.complete(prompt, lively);
    model.defaults.eos_token_ids = {95, whole.ids[7]};
    const eo::completion made = s.complete(prompt, lively);
    const auto first = static_cast<std::size_t>(std::ranges::find(whole.ids, whole.ids[7]) - whole.ids.begin());
    CHECK(made.finish_reason == finish_reason::end_of_text);
    CHECK(made.ids.size() == first + 1);
    CHECK(made.text == text_of(std::span(whole.ids).first(first)));
    eo::generate_options on = lively;
    on.end_of_text.emplace();
    CHECK(s.complete(prompt, on).ids == whole.ids);
    on.more_end_of_text = {whole.ids[7]};  // in addition to none
    CHECK(s.complete(prompt, on).ids == made.ids);
    model.defaults.eos_token_ids = {95};
    on.end_of_text.reset();
    CHECK(s.complete(prompt, on).ids == made.ids);
}

TEST_CASE("texts begin with the beginning-of-text token where the model wants it", "[generate][completion]") {
    text_model model;
    eo::session s{model};
    CHECK(s.complete("abc", {.max_new_tokens = 1}).stats.prompt_tokens == 3);
    model.defaults.bos_token_id = 96;
    model.defaults.add_bos = true;
    CHECK(s.complete("abc", {.max_new_tokens = 1}).stats.prompt_tokens == 4);
    CHECK(s.tokens().ids()[0] == 96);
}

TEST_CASE("a callback, a clock and a stop token end a completion", "[generate][completion]") {
    std::mt19937 engine(4);
    const ids prompt = random_prompt(engine, 30);
    eo::session s{small_network()};
    int calls = 0;
    const eo::completion called = s.complete(prompt, {.max_new_tokens = 20}, [&](const eo::token_event&) {
        return ++calls == 3 ? eo::flow::stop : eo::flow::proceed;
    });
    CHECK(called.finish_reason == finish_reason::callback);
    CHECK(called.ids.size() == 3);

    const eo::completion timed =
        s.complete(prompt, {.max_new_tokens = 30, .max_time = std::chrono::duration<double>(1e-9)});
    CHECK(timed.finish_reason == finish_reason::max_time);
    CHECK(timed.ids.size() == 1);

    std::stop_source source;
    const eo::completion cancelled =
        s.complete(prompt, {.max_new_tokens = 20, .cancel = source.get_token()}, [&](const eo::token_event& t) {
            if (t.index == 4) source.request_stop();
            return eo::flow::proceed;
        });
    CHECK(cancelled.finish_reason == finish_reason::cancelled);
    CHECK(cancelled.ids.size() == 5);

    // Cancelled before the first layer: nothing has run, and the session is equivalent to a new one.
    eo::session fresh{small_network()};
    const eo::completion nothing = fresh.complete(prompt, {.cancel = source.get_token()});
    CHECK(nothing.finish_reason == finish_reason::cancelled);
    CHECK(nothing.ids.empty());
    CHECK(nothing.stats.prefill.layer_tokens == 0);
    CHECK(same_output(fresh.complete(prompt, {.max_new_tokens = 9}), s.complete(prompt, {.max_new_tokens = 9})));
}

TEST_CASE("a prefill is cancelled between layers and can be resumed", "[generate][completion]") {
    std::mt19937 engine(5);
    const ids prompt = random_prompt(engine, 30);
    std::stop_source source;
    const eo::exit_policy policy{eo::exit_plan{eo::after<2>(cancelling{&source})}, eo::shared_head{},
                                 eo::defer{.prefill = eo::prefill::lazy}};
    eo::session s{small_network(), policy};
    const eo::completion made = s.complete(prompt, {.max_new_tokens = 3, .cancel = source.get_token()});
    CHECK(made.finish_reason == finish_reason::cancelled);
    CHECK(made.stats.prefill.layer_tokens == 60);
    eo::session plain{small_network()};
    const eo::completion resumed = s.complete(prompt, {.max_new_tokens = 3});
    CHECK(resumed.ids == plain.complete(prompt, {.max_new_tokens = 3}).ids);
    CHECK(resumed.stats.reused_tokens == 29);
}

TEST_CASE("prompts that cannot run are refused in one sentence", "[generate][completion]") {
    const text_model model;
    eo::session s{model, eo::full_depth(), {.capacity = 20}};
    const auto running = [&](const ids& prompt, const eo::generate_options& options) {
        return error_of([&] { (void)s.complete(prompt, options); });
    };
    CHECK(running({}, {}) == thrown(errc::invalid_argument, {"prompt", "at least one token"}));
    CHECK(error_of([&] { (void)s.complete(""); }) == thrown(errc::invalid_argument, {"prompt", "found none"}));
    CHECK(running({1, 97}, {}) == thrown(errc::out_of_range, {"0 .. 96", "97"}));
    CHECK(running({-1}, {}) == thrown(errc::out_of_range, {"-1"}));
    CHECK(running(ids(21, 1), {}) == thrown(errc::out_of_range, {"at most 20", "21", "cut_prompt"}));
    CHECK(running({1}, {.stop_strings = {""}}) == thrown(errc::invalid_argument, {"stop strings"}));
    CHECK(error_of([] {
              eo::session{small_network(), eo::full_depth(), {.capacity = 65}};
          }) == thrown(errc::out_of_range, {"capacity", "64", "65"}));
    CHECK(error_of([] {
              eo::session{small_network(), eo::full_depth(), {.block = 0}};
          }) == thrown(errc::invalid_argument, {"block"}));
}

TEST_CASE("a prompt that is too long is cut on the left, leaving room for the new tokens", "[generate][completion]") {
    std::mt19937 engine(6);
    const ids prompt = random_prompt(engine, 100);
    eo::session s{small_network()};
    const eo::completion made = s.complete(prompt, {.max_new_tokens = 10, .cut_prompt = true});
    CHECK(made.ids.size() == 10);
    CHECK(made.stats.prompt_tokens == 64 - 9);
    const ids tail(prompt.end() - 55, prompt.end());
    CHECK(made.ids == eo::session{small_network()}.complete(tail, {.max_new_tokens = 10}).ids);
    CHECK(s.complete(tail, {.max_new_tokens = 100}).finish_reason == finish_reason::context_full);
}

TEST_CASE("two threads with a session each give the same as one after the other", "[generate][threads]") {
    std::mt19937 engine(7);
    const std::vector<ids> prompts{random_prompt(engine, 20), random_prompt(engine, 33)};
    const eo::exit_policy policy{eo::exit_plan{eo::exit_layers({1, 2, 3, 4, 5}), hash_gate{.seed = 2}},
                                 eo::shared_head{}, eo::defer{}};
    const text_model model;
    const auto run = [&](std::size_t which) {
        eo::session s{model, policy, {.threads = 1 + which}};
        eo::completion last;
        for (int i = 0; i < 20; ++i) last = s.complete(prompts[which], {.max_new_tokens = 12, .temperature = 0.7f});
        return last;
    };
    const std::vector<eo::completion> expected{run(0), run(1)};
    std::vector<eo::completion> made(2);
    {
        std::jthread other([&] { made[1] = run(1); });
        made[0] = run(0);
    }
    CHECK(same_output(made[0], expected[0]));
    CHECK(same_output(made[1], expected[1]));
}
