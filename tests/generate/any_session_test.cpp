// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/generate/any_session.hpp>

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
