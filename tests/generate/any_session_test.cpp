// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/generate/any_session.hpp>
#include <earlyout/nn/kv_pool.hpp>

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;

TEST_CASE("sessions of different policies are values of one type", "[generate][any_session]") {
    std::vector<eo::any_session> sessions;
    const auto exits = policy(hash_gate{}, eo::defer{});
    sessions.emplace_back(small_network(), eo::full_depth());
    sessions.emplace_back(small_network(), exits, eo::session_options{.capacity = 40});
    sessions.push_back(eo::any_session(eo::session{small_network(), exits}));
    eo::session full{small_network()};
    eo::session early{small_network(), exits};
    const ids prompt{5, 17, 3, 90};
    const eo::generate_options options{.max_new_tokens = 20};
    CHECK(sessions[0].complete(prompt, options).ids == full.complete(prompt, options).ids);
    const eo::completion expected = early.complete(prompt, options);
    for (std::size_t i = 1; i < 3; ++i) {
        const eo::completion made = sessions[i].complete(prompt, options);
        CHECK(made.ids == expected.ids);
        CHECK(made.exit_layers == expected.exit_layers);
        CHECK(made.log_probabilities == expected.log_probabilities);
    }
    CHECK(sessions[1].capacity() == 40);
    CHECK(sessions[2].capacity() == 64);

    // Token by token, and back.
    eo::any_session& s = sessions[1];
    s.start(prompt, options);
    for (int i = 0; i < 6; ++i) REQUIRE(s.next());
    s.rollback(2);
    CHECK(s.ids().size() == 2);
    while (s.next()) {
    }
    CHECK(std::vector(s.ids().begin(), s.ids().end()) == expected.ids);
    CHECK(s.finish_reason() == eo::finish_reason::max_new_tokens);
    CHECK(s.stats().new_tokens == 20);
    CHECK(s.tokens().size() == prompt.size() + 19);
    CHECK(s.text().empty());
}

TEST_CASE("a model without a tokenizer completes no text", "[generate][any_session]") {
    eo::any_session s(small_network(), eo::full_depth());
    CHECK(error_of([&] { (void)s.complete("text"); }) == thrown(eo::errc::unsupported, {"prompt", "token ids"}));
}

TEST_CASE("a session goes on from a snapshot as from the prompt, whatever ran before", "[generate][any_session]") {
    std::mt19937 engine(3);
    const auto pool = std::make_shared<eo::kv_pool>(small_network().shape(), eo::kv_format{}, 6 * 3,
                                                    eo::kv_pool::page_entries_for(32));
    const eo::session_options shared{.capacity = 32, .pool = pool};
    const ids prompt = random_prompt(engine, 14), other = random_prompt(engine, 9);
    const eo::generate_options options{.max_new_tokens = 12};
    const auto exact = std::make_unique<eo::sequence_snapshot>([&] {
        eo::any_session full(small_network(), eo::full_depth(), shared);
        (void)full.complete(prompt, options);
        return eo::sequence_snapshot(small_network().shape(), full.tokens(), prompt.size() - 1, pool);
    }());
    const auto check = [&](auto cache) {
        const auto exits = policy(hash_gate{}, cache);
        eo::any_session fresh(small_network(), exits), s(small_network(), exits, shared);
        const eo::completion expected = fresh.complete(prompt, options);
        for (int times = 0; times < 2; ++times) {
            (void)s.complete(other, options);
            s.restore(*exact);
            CHECK_FALSE(s.next());
            CHECK(s.ids().empty());
            const eo::completion made = s.complete(prompt, options);
            CHECK(made.stats.reused_tokens == 13);
            CHECK(made.ids == expected.ids);
            CHECK(made.exit_layers == expected.exit_layers);
            CHECK(made.log_probabilities == expected.log_probabilities);
            CHECK(made.stats.decode == expected.stats.decode);
        }
    };
    check(eo::propagate{});
    check(eo::defer{});
    check(eo::omit{});

    eo::any_session own(small_network(), eo::full_depth(), {.capacity = 40});
    CHECK(error_of([&] { own.restore(*exact); }) == thrown(eo::errc::invalid_argument, {"restore", "in another"}));
    eo::any_session shorter(small_network(), eo::full_depth(), {.capacity = 8, .pool = pool});
    CHECK(error_of([&] { shorter.restore(*exact); }) ==
          thrown(eo::errc::invalid_argument, {"restore", "at most 8 tokens", "found 13"}));
    const auto with = [&](std::size_t capacity) {
        return error_of(
            [&] { eo::any_session(small_network(), eo::full_depth(), {.capacity = capacity, .pool = pool}); });
    };
    CHECK(with(64) == thrown(eo::errc::invalid_argument, {"pool", "6 free pages of 64 entries for 64 tokens"}));
}
