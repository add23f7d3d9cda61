// SPDX-License-Identifier: MIT
// A session's handling of invalid options, invalid logits and exhausted memory.
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/generate/session.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;
using eo::errc;
using eo::finish_reason;

namespace {

constexpr float no_number = std::numeric_limits<float>::quiet_NaN();

/// The model's output with some logits replaced at some layers and positions.
struct faulty_head {
    std::vector<std::pair<std::size_t, float>> at;  ///< token and logit
    std::size_t layer = 0;                          ///< 0: every layer

    void operator()(std::size_t l, eo::matrix_view<const float> hidden, eo::matrix_view<float> logits,
                    const eo::lm_head& output) const {
        output(hidden, logits);
        if (layer != 0 && l != layer) return;
        for (const auto& [token, logit] : at) logits.row(0)[token] = logit;
    }
};

/// Full depth with finite weights and infinite logits: a final norm with a weight too large.
const eo::gpt2<>& overflowing_network() {
    static const eo::gpt2<> made = [] {
        eo::memory_checkpoint from =
            random_gpt2_checkpoint({.layers = 2, .d_model = 20, .heads = 5, .vocab = 97, .context = 64}, 1);
        from.add("ln_f.weight", {20}, std::vector<float>(20, 3e38f));
        return eo::gpt2<>::from_checkpoint(from);
    }();
    return made;
}

const std::vector<eo::generate_options>& many_options() {
    static const std::vector<eo::generate_options> made{
        {.max_new_tokens = 6},
        {.max_new_tokens = 6, .repetition_penalty = 1.5f},
        {.max_new_tokens = 6, .temperature = 0.8f},
        {.max_new_tokens = 6, .temperature = 0.8f, .top_k = 5},
        {.max_new_tokens = 6, .temperature = 0.8f, .top_p = 0.9f},
        {.max_new_tokens = 6, .temperature = 0.8f, .top_p = 0.0f},
        {.max_new_tokens = 6, .temperature = 0.8f, .min_p = 0.1f},
        {.max_new_tokens = 6, .temperature = 0.8f, .top_k = 9, .top_p = 0.5f, .min_p = 0.1f, .emit_at_stop = true}};
    return made;
}

/// `gate` after every layer of small_network(), through `head`.
template <class Gate>
auto policy_with(const faulty_head& head, const Gate& gate) {
    return eo::exit_policy{eo::exit_plan{every_layer, gate}, head, eo::propagate{}};
}

template <class Policy>
void check_not_numbers(const eo::gpt2<>& network, const Policy& policy, std::size_t tokens_before = 0) {
    for (const eo::generate_options& options : many_options()) {
        eo::session s{network, policy};
        CHECK(error_of([&] {
                  (void)s.complete(ids{1, 2, 3}, options);
              }) == thrown(errc::wrong_value, {"logits after layer", "expected numbers", "NaN"}));
        CHECK(s.finish_reason() == finish_reason::not_a_number);
        s.start(ids{1, 2, 3}, options);
        CHECK(rest_of(s).size() == tokens_before);
        CHECK(s.finish_reason() == finish_reason::not_a_number);
        CHECK_FALSE(s.next());
    }
}

/// Reads one signal that holds a NaN and returns a fixed decision.
template <eo::signal Read>
struct fixed_gate {
    static constexpr eo::signal_set signals = Read;
    eo::decision result;
    eo::decision operator()(const auto& s) const {
        if (s.layer() != 2) return eo::decision::go_on;
        if constexpr (Read == eo::signal::logits) (void)s.logits();
        if constexpr (Read == eo::signal::margin) (void)s.margin();
        if constexpr (Read == eo::signal::entropy) (void)s.entropy();
        if constexpr (Read == eo::signal::hidden_state) (void)s.hidden_state();
        return result;
    }
};

}  // namespace

TEST_CASE("logits that are not numbers end a completion with an error", "[generate][faults]") {
    check_not_numbers(overflowing_network(), eo::full_depth());
    for (const float value : {no_number, -no_number, infinity}) {
        for (const std::size_t token : {std::size_t{0}, std::size_t{50}, std::size_t{96}}) {
            const faulty_head head{.at = {{token, value}}};
            check_not_numbers(small_network(), policy_with(head, eo::never_exit{}));
        }
    }
}

TEST_CASE("a gate that sees a NaN does not decide", "[generate][faults]") {
    const faulty_head head{.at = {{7, no_number}}, .layer = 2};
    // The prompt is run to full depth, so that one token comes before the gate is evaluated.
    const auto check = [&](auto gate) { check_not_numbers(small_network(), policy_with(head, gate), 1); };
    for (const eo::decision result : {eo::decision::go_on, eo::decision::exit, eo::decision::stop}) {
        check(fixed_gate<eo::signal::margin>{result});
        check(fixed_gate<eo::signal::entropy>{result});
    }
    check(fixed_gate<eo::signal::logits>{eo::decision::exit});
    check(fixed_gate<eo::signal::logits>{eo::decision::stop});
}

TEST_CASE("masked logits are legal, and never sampled", "[generate][faults]") {
    faulty_head head;
    for (std::size_t token = 0; token < 97; ++token) {
        if (token % 10 != 3) head.at.emplace_back(token, -infinity);
    }
    std::mt19937 engine(1);
    for (const eo::generate_options& options : many_options()) {
        eo::session s{small_network(), policy_with(head, fixed_gate<eo::signal::entropy>{eo::decision::go_on})};
        const eo::completion made = s.complete(random_prompt(engine, 5), options);
        CHECK(made.ids.size() == 6);
        for (const eo::token_id id : made.ids) CHECK(id % 10 == 3);
        for (const float p : made.log_probabilities) CHECK(std::isfinite(p));
    }
    for (std::size_t token = 3; token < 97; token += 10) head.at.emplace_back(token, -infinity);
    check_not_numbers(small_network(), policy_with(head, eo::never_exit{}));
}

TEST_CASE("a refused completion does not change the running one", "[generate][faults]") {
    const text_model model;
    std::mt19937 engine(2);
    const std::vector<std::string> stops{"this stop string is long enough to be on the heap", "dbca"};
    eo::session s{model, policy(hash_gate{.seed = 3}, eo::defer{}), {.capacity = 40}};
    eo::session fresh{model, policy(hash_gate{.seed = 3}, eo::defer{}), {.capacity = 40}};
    const auto refused = [&](std::size_t kind) {
        eo::generate_options o{.max_new_tokens = 3};
        ids prompt{1, 2, 3};
        switch (kind) {
            case 0: o.stop_strings = {""}; break;
            case 1: o.stop_strings = {"a", std::string()}; break;
            case 2: o.top_p = 1.5f; break;
            case 3: o.max_new_tokens = 0; break;
            case 4: prompt = {}; break;
            case 5: prompt = {1, 97}; break;
            case 6: prompt = ids(41, 1); break;
            case 7: o.max_time = std::chrono::duration<double>(std::nan("")); break;
            case 8: return error_of([&] { s.rollback(s.ids().size() + 1); });
            default: o.temperature = no_number;
        }
        return error_of([&] { s.start(prompt, o); });
    };
    for (int round = 0; round < 200; ++round) {
        const ids prompt = random_prompt(engine, 1 + engine() % 12, 90);
        eo::generate_options options{
            .max_new_tokens = 20, .temperature = 1.0f, .seed = engine(), .stop_strings = stops};
        const eo::completion expected = fresh.complete(prompt, options);
        s.start(prompt, options);
        std::vector<recorded> events;
        std::string text;
        for (bool more = true; more;) {
            if (engine() % 3 == 0) {
                const caught c = refused(engine() % 10);
                REQUIRE((c.code == "invalid_argument" || c.code == "out_of_range"));
            }
            if (engine() % 8 == 0 && !events.empty()) {
                const std::size_t keep = engine() % (events.size() + 1);
                s.rollback(keep);
                events.resize(keep);
            }
            const auto event = s.next();
            more = event.has_value();
            if (more) events.emplace_back(*event);
        }
        REQUIRE(ids(s.ids().begin(), s.ids().end()) == expected.ids);
        REQUIRE(s.text() == expected.text);
        REQUIRE(s.finish_reason() == expected.finish_reason);
        REQUIRE(s.stats().exit_histogram == expected.stats.exit_histogram);
        REQUIRE(s.stats().prompt_tokens == prompt.size());
    }
}

TEST_CASE("a prompt that fits is never cut, a longer one to a stated length", "[generate][faults]") {
    std::mt19937 engine(3);
    text_model model;
    model.defaults.bos_token_id = 95;
    model.defaults.add_bos = true;
    for (int round = 0; round < 400; ++round) {
        const std::size_t capacity = 1 + engine() % 64;
        const std::size_t size = 1 + engine() % 100;
        const std::size_t news = round % 5 == 0 ? std::numeric_limits<std::size_t>::max() : 1 + engine() % 80;
        ids prompt = random_prompt(engine, size, 90);
        const bool begins = engine() % 2 == 0;
        if (begins) prompt.front() = 95;
        CAPTURE(capacity, size, news, begins);
        eo::session s{model, eo::full_depth(), {.capacity = capacity}};
        s.start(prompt, {.max_new_tokens = news, .cut_prompt = true});
        const std::size_t kept = s.stats().prompt_tokens;
        REQUIRE(kept + s.stats().cut_tokens == size);
        const ids held(s.tokens().ids().begin(), s.tokens().ids().end());
        if (size <= capacity) {
            REQUIRE(held == prompt);
            continue;
        }
        REQUIRE(kept == capacity + 1 - std::min(news, std::max<std::size_t>(1, capacity / 4)));
        const std::size_t start = begins && kept > 1 ? 1 : 0;
        if (start != 0) REQUIRE(held.front() == 95);
        REQUIRE(std::ranges::equal(std::span(held).subspan(start), std::span(prompt).last(kept - start)));
        while (s.next()) {
        }
        REQUIRE(s.ids().size() >= std::min(news, std::max<std::size_t>(1, capacity / 4)));
    }
}

TEST_CASE("a session that the system has no memory for is an error", "[generate][faults]") {
    CHECK(error_of([] {
              eo::session{small_network(), eo::full_depth(), {.block = std::size_t{1} << 44}};
          }) == thrown(errc::io, {"session", "64 tokens", "memory"}));
}

TEST_CASE("a gate that throws ends the completion, and the session remains usable", "[generate][faults]") {
    std::size_t at = 7;
    const auto throwing = eo::make_gate<eo::no_signals>([&at](const auto& s) {
        if (s.position() == at) throw std::runtime_error("gate");
        return eo::decision::go_on;
    });
    for (const auto order : {eo::prefill::eager, eo::prefill::lazy}) {
        eo::session s{small_network(), policy(throwing, eo::defer{.prefill = order})};
        CHECK_FALSE(s.next());  // before any completion
        for (const std::size_t position : {std::size_t{7}, std::size_t{9}}) {
            at = position;
            CHECK(error_of([&] { (void)s.complete(ids(8, 3), {.max_new_tokens = 9}); }).code ==
                  (position == 7 && order == eo::prefill::eager ? "none" : "other"));
            CHECK(s.finish_reason());
            CHECK_FALSE(s.next());
            at = 64;
            const eo::completion made = s.complete(ids(8, 3), {.max_new_tokens = 9});
            CHECK(made.ids == eo::session{small_network()}.complete(ids(8, 3), {.max_new_tokens = 9}).ids);
        }
    }
}

TEST_CASE("a sequence refuses tokens beyond its capacity", "[generate][faults]") {
    eo::inline_executor on;
    eo::run_context context(small_network(), 4, on);
    eo::sequence tokens(small_network().shape(), 2);
    eo::skipped_layers(small_network(), tokens, context).propagate();
    eo::skipped_layers(small_network(), tokens, context).omit();
    tokens.push(small_network(), 1);
    const auto pushing = [&](eo::token_id id) { return error_of([&] { tokens.push(small_network(), id); }); };
    CHECK(pushing(-1) == thrown(eo::errc::out_of_range, {"0 .. 96", "-1"}));
    CHECK(pushing(97) == thrown(eo::errc::out_of_range, {"0 .. 96", "97"}));
    tokens.push(small_network(), 96);
    CHECK(pushing(1) == thrown(eo::errc::out_of_range, {"at most 2 tokens"}));
    CHECK(tokens.size() == 2);
    const auto running = [&](std::size_t first, std::size_t last) {
        return error_of([&] { (void)eo::run_pending(small_network(), first, last, tokens, context); });
    };
    CHECK(running(0, 2) == thrown(eo::errc::out_of_range, {"1 .. 6", "0 .. 2"}));
    CHECK(running(1, 7) == thrown(eo::errc::out_of_range, {"1 .. 6", "1 .. 7"}));
    CHECK(error_of([] { eo::sequence(small_network().shape(), 0); }) ==
          thrown(eo::errc::invalid_argument, {"capacity"}));
}
