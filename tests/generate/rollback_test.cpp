// SPDX-License-Identifier: MIT
// Rollback and the reuse of a common prefix have no lasting effect.
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/session.hpp>

#include <cstddef>
#include <random>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;

namespace {

/// Edits of a text, as by a user of an editor.
void edit(std::mt19937& engine, ids& prompt, const ids& completion) {
    switch (engine() % 6) {
        case 0: break;  // requests again
        case 1: prompt.push_back(static_cast<eo::token_id>(engine() % 97)); break;
        case 2: prompt[engine() % prompt.size()] = static_cast<eo::token_id>(engine() % 97); break;
        case 3: prompt.resize(1 + engine() % prompt.size()); break;
        case 4:  // accepts some of the proposed tokens
            prompt.insert(prompt.end(), completion.begin(),
                          completion.begin() + static_cast<std::ptrdiff_t>(engine() % (completion.size() + 1)));
            break;
        default:
            prompt.insert(prompt.begin() + static_cast<std::ptrdiff_t>(engine() % prompt.size()),
                          static_cast<eo::token_id>(engine() % 97));
    }
    if (prompt.size() > 40) prompt.resize(20);
}

template <class Policy>
void check_edits(const Policy& p, std::uint32_t seed, const eo::session_options& stored = {}) {
    std::mt19937 engine(seed);
    ids prompt = random_prompt(engine, 12);
    eo::session kept{small_network(), p, stored};
    std::size_t reused = 0;
    for (int round = 0; round < 80; ++round) {
        eo::generate_options options{.max_new_tokens = 1 + engine() % 12, .seed = engine()};
        if (engine() % 2 == 0) options.temperature = 0.8f;
        if (engine() % 3 == 0) options.repetition_penalty = 1.3f;
        const eo::completion made = kept.complete(prompt, options);
        eo::session fresh{small_network(), p, stored};
        INFO("round " << round << ", prompt of " << prompt.size() << ", reused " << made.stats.reused_tokens);
        REQUIRE(same_output(made, fresh.complete(prompt, options)));
        reused += made.stats.reused_tokens;
        edit(engine, prompt, made.ids);
    }
    CHECK(reused > 100);
}

template <class Policy>
void check_rollback(const Policy& p, const eo::generate_options& options, std::uint32_t seed,
                    const eo::session_options& stored = {}) {
    std::mt19937 engine(seed);
    const ids prompt = random_prompt(engine, 10);
    eo::session plain{small_network(), p, stored};
    plain.start(prompt, options);
    const std::vector<recorded> expected = rest_of(plain);
    const std::vector<eo::token_id> ids_expected(plain.ids().begin(), plain.ids().end());
    eo::session s{small_network(), p, stored};
    s.start(prompt, options);
    for (int round = 0; round < 20; ++round) {
        const std::size_t target = engine() % (expected.size() + 1);
        while (s.ids().size() < target && s.next()) {
        }
        s.rollback(engine() % (s.ids().size() + 1));
    }
    while (s.next()) {
    }
    CHECK(std::vector(s.ids().begin(), s.ids().end()) == ids_expected);
    CHECK(s.finish_reason() == plain.finish_reason());
    CHECK(s.stats().exit_histogram == plain.stats().exit_histogram);
}

}  // namespace

TEST_CASE("a reused session produces what a fresh one does", "[generate][rollback]") {
    for (std::uint32_t seed = 0; seed < 3; ++seed) {
        const hash_gate hash{.seed = seed, .exit_percent = 40, .stop_percent = 1};
        check_edits(policy(hash, eo::propagate{}), seed);
        check_edits(policy(hash, eo::defer{}), seed);
        check_edits(policy(hash, eo::defer{.cap = 2, .prefill = eo::prefill::lazy}), seed);
        check_edits(policy(hash, eo::defer{.prefill = eo::prefill::lazy}), seed);
        check_edits(policy(hash, eo::omit{}), seed);
        check_edits(policy(remembering_gate{.stop_percent = 1}, eo::propagate{}), seed);
        check_edits(policy(remembering_gate{}, eo::defer{.cap = 4}), seed);
        check_edits(eo::exit_policy{eo::exit_plan{every_layer, hash}, eo::shortlist{5}, eo::defer{}}, seed);
        check_edits(eo::full_depth(), seed);
        check_edits(policy(hash, eo::defer{.cap = 2}), seed, {.threads = 2, .kv = eo::int8{}});
    }
}

TEST_CASE("a rolled back completion continues as if the removed tokens had never existed", "[generate][rollback]") {
    for (std::uint32_t seed = 0; seed < 4; ++seed) {
        for (const float temperature : {0.0f, 0.9f}) {
            const eo::generate_options options{.max_new_tokens = 20, .temperature = temperature, .seed = seed};
            check_rollback(policy(remembering_gate{}, eo::defer{}), options, seed);
            check_rollback(policy(remembering_gate{}, eo::defer{.cap = 3, .prefill = eo::prefill::lazy}), options,
                           seed);
            check_rollback(policy(remembering_gate{.stop_percent = 2}, eo::defer{}), options, seed);
            check_rollback(policy(remembering_gate{}, eo::omit{}), options, seed);
            check_rollback(eo::full_depth(), options, seed);
            check_rollback(policy(remembering_gate{}, eo::omit{}), options, seed, {.kv = eo::int8{}});
        }
    }
}

TEST_CASE("rollback restores the stop matcher and never streams twice", "[generate][rollback]") {
    const text_model model;
    std::mt19937 engine(9);
    const ids prompt = random_prompt(engine, 8, 90);
    const eo::generate_options options{.max_new_tokens = 24, .temperature = 1.0f, .stop_strings = {"abcab", "dbdb"}};
    eo::session s{model, policy(hash_gate{.seed = 4}, eo::defer{})};
    const eo::completion whole = s.complete(prompt, options);
    s.start(prompt, options);
    for (int i = 0; i < 4; ++i) (void)s.next();
    const std::string after_four(s.text());
    while (s.next()) {
    }
    s.rollback(4);
    CHECK(s.text() == after_four);
    while (s.next()) {
    }
    CHECK(s.text() == whole.text);
    CHECK(s.finish_reason() == whole.finish_reason);
}

TEST_CASE("reuse keeps what is exact and recomputes what was propagated", "[generate][rollback]") {
    std::mt19937 engine(10);
    const ids prompt = random_prompt(engine, 16);
    const auto accept_all = [&](auto cache) {
        eo::session s{small_network(), policy(eo::always_exit{}, cache)};
        ids next = prompt;
        const eo::completion made = s.complete(prompt, {.max_new_tokens = 8});
        next.insert(next.end(), made.ids.begin(), made.ids.end());
        return s.complete(next, {.max_new_tokens = 1}).stats;
    };
    // Prompt 16 and 8 accepted: the last new token never ran.
    CHECK(accept_all(eo::defer{}).reused_tokens == 23);
    CHECK(accept_all(eo::propagate{}).reused_tokens == 16);
    // Tokens stay deferred: the reused ones have passed layer 1 and are still pending at the others.
    CHECK(accept_all(eo::defer{}).prefill.layer_tokens == 7 * 5 + 6);
}

TEST_CASE("the last prompt token always runs", "[generate][rollback]") {
    std::mt19937 engine(11);
    const ids prompt = random_prompt(engine, 16);
    eo::session s{small_network()};
    (void)s.complete(prompt, {.max_new_tokens = 1});
    CHECK(s.complete(prompt, {.max_new_tokens = 1}).stats.reused_tokens == 15);
    const ids shorter(prompt.begin(), prompt.begin() + 5);
    CHECK(s.complete(shorter, {.max_new_tokens = 1}).stats.reused_tokens == 4);
}

TEST_CASE("rolling back too far is refused", "[generate][rollback]") {
    eo::session s{small_network()};
    s.start(ids{1, 2, 3}, {.max_new_tokens = 4});
    (void)s.next();
    CHECK(error_of([&] { s.rollback(2); }) == thrown(eo::errc::out_of_range, {"rollback", "at most 1", "found 2"}));
}
