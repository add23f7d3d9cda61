// SPDX-License-Identifier: MIT
#include <earlyout/exit/signals.hpp>

#include <cmath>
#include <vector>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;
using support::exit_point;

TEST_CASE("signals equal their definitions", "[exit][signals]") {
    support::random_source random(1);
    for (const std::size_t tokens : {2u, 5u, 33u, 257u}) {
        for (const float spread : {0.1f, 3.0f, 20.0f}) {
            const std::vector<float> logits = random.floats(tokens, spread);
            exit_point at(logits, {1.0f, 2.0f, 3.0f}, 4, 17);
            const std::vector<double> p = support::probabilities(logits);
            double first = -1.0, second = -1.0, entropy = 0.0;
            std::size_t best = 0;
            for (std::size_t i = 0; i < tokens; ++i) {
                if (p[i] > 0.0) entropy -= p[i] * std::log(p[i]);
                if (p[i] > first) {
                    second = first;
                    first = p[i];
                    best = i;
                } else if (p[i] > second) {
                    second = p[i];
                }
            }
            const eo::signal_view<eo::all_signals> s(at.signals());
            CHECK(s.layer() == 4);
            CHECK(s.position() == 17);
            CHECK(s.hidden_state()[2] == 3.0f);
            CHECK(s.argmax() == static_cast<eo::token_id>(best));
            CHECK_THAT(s.max_probability(), WithinAbs(first, 2e-5));
            CHECK_THAT(s.margin(), WithinAbs(first - second, 3e-5));
            CHECK_THAT(s.entropy(), WithinAbs(entropy, 1e-4));
            CHECK(std::vector<float>(s.logits().begin(), s.logits().end()) == logits);
            CHECK_THAT(at.signals().log_probability(static_cast<eo::token_id>(tokens - 1)),
                       WithinAbs(std::log(p.back()), 1e-4));
        }
    }
}

TEST_CASE("the head runs once, and only when its logits are read", "[exit][signals]") {
    exit_point at({0.0f, 1.0f, 2.0f});
    const eo::signal_view<eo::all_signals> s(at.signals());
    (void)s.layer();
    (void)s.hidden_state();
    (void)s.previous_argmax();
    CHECK(at.heads_run() == 0);
    CHECK_FALSE(at.signals().has_logits());
    (void)s.margin();
    (void)s.entropy();
    (void)s.argmax();
    (void)s.logits();
    CHECK(at.heads_run() == 1);
    CHECK(at.signals().has_logits());
}

TEST_CASE("the previous exit's signals are those of this token", "[exit][signals]") {
    exit_point at({0.0f, 5.0f, 2.0f}, {7.0f, 8.0f});
    eo::exit_signals& source = at.signals();
    const eo::signal_view<eo::all_signals> s(source);
    CHECK_FALSE(s.previous_argmax());
    CHECK_FALSE(s.previous_hidden_state());

    CHECK(s.argmax() == 1);
    source.end_exit();
    const std::vector<float> next{9.0f, 10.0f};
    source.begin_exit(2, next, at);
    CHECK(s.layer() == 2);
    CHECK(s.previous_argmax() == 1);
    REQUIRE(s.previous_hidden_state());
    CHECK((*s.previous_hidden_state())[1] == 8.0f);
    CHECK(s.hidden_state()[1] == 10.0f);
    CHECK_FALSE(source.has_logits());

    // No logits were computed here.
    source.end_exit();
    source.begin_exit(3, next, at);
    CHECK_FALSE(s.previous_argmax());
    CHECK((*s.previous_hidden_state())[1] == 10.0f);

    (void)s.argmax();
    source.end_exit();
    source.start_token(18);
    source.begin_exit(1, next, at);
    CHECK_FALSE(s.previous_argmax());
    CHECK_FALSE(s.previous_hidden_state());
    CHECK(s.position() == 18);
}

TEST_CASE("sets of signals", "[exit][signals]") {
    constexpr eo::signal_set two = eo::signal::margin | eo::signal::argmax;
    static_assert(two.contains(eo::signal::margin) && two.contains(eo::signal::argmax));
    static_assert(!two.contains(eo::signal::logits) && !eo::no_signals.contains(eo::signal::margin));
    static_assert((two | eo::signal::entropy) == (eo::signal::entropy | two));
    for (std::uint32_t bit = 0; bit < 9; ++bit) {
        CHECK(eo::all_signals.contains(static_cast<eo::signal>(1u << bit)));
    }
}

TEST_CASE("with summaries no logits are computed until they are read", "[exit][signals]") {
    const std::vector<float> logits = support::random_source(9).floats(2400, 3.0f);
    exit_point stored(logits), at(logits);
    at.signals().use_summaries(true);
    const auto top = stored.signals().argmax();
    CHECK(at.signals().argmax() == top);
    CHECK(at.signals().margin() == stored.signals().margin());
    CHECK(at.signals().max_probability() == stored.signals().max_probability());
    CHECK(at.signals().log_probability(top) == stored.signals().log_probability(top));
    CHECK(at.summaries() == 1);
    CHECK(at.heads_run() == 0);
    CHECK_FALSE(at.signals().has_logits());

    CHECK(at.signals().entropy() == stored.signals().entropy());
    CHECK(at.heads_run() == 1);
    const eo::token_id other = top == 0 ? 1 : 0;
    CHECK(at.signals().log_probability(other) == stored.signals().log_probability(other));
    CHECK(at.signals().logits()[5] == logits[5]);
    CHECK(at.heads_run() == 1);

    at.signals().end_exit();
    CHECK(at.signals().previous_argmax() == top);
    const std::vector<float> hidden{0.0f};
    at.signals().begin_exit(2, hidden, at);
    CHECK(at.signals().log_probability(other) == stored.signals().log_probability(other));
    CHECK(at.summaries() == 2);
    CHECK(at.heads_run() == 2);

    at.signals().use_summaries(false);
    at.signals().begin_exit(3, hidden, at);
    CHECK(at.signals().argmax() == top);
    CHECK(at.summaries() == 2);
    CHECK(at.heads_run() == 3);
}
