// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/gates/decaying.hpp>
#include <earlyout/exit/gates/entropy.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/gates/max_probability.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

#include "exit/exit_walk.hpp"
#include "exit/gates_made_up.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;
using eo::decision;
using support::error_of;
using support::exit_walk;
using support::thrown;

namespace {

/// Has both states, a start of its own, a check, and a threshold that it records.
struct recording {
    static constexpr eo::signal_set signals = eo::no_signals;
    static constexpr eo::threshold_direction direction = eo::threshold_direction::higher_is_conservative;
    using token_state = support::nth_exit::token_state;
    using sequence_state = support::nth_exit::sequence_state;
    float threshold = 1.0f;
    int second_exit_from = 2;
    std::vector<float>* thresholds = nullptr;

    sequence_state start_sequence() const { return {0, second_exit_from}; }
    void check(const eo::model_shape&) const { eo::fail(eo::errc::mismatch, "recording: fits no model"); }
    decision operator()(const auto&, token_state& token, sequence_state& sequence) const {
        thresholds->push_back(threshold);
        ++token.exits;
        ++sequence.exits;
        return token.exits == 2 && sequence.exits >= sequence.limit ? decision::exit : decision::go_on;
    }
};

/// Returns those of the given positions at which a gate exits, evaluated once at each.
template <class Gate>
std::vector<std::size_t> exits(const Gate& gate, const std::vector<std::size_t>& positions) {
    exit_walk token({{0.0f, 1.0f}});
    auto sequence = eo::start_sequence(gate);
    std::vector<std::size_t> made;
    for (const std::size_t position : positions) {
        if (token.ask(gate, sequence, position).front() == decision::exit) made.push_back(position);
    }
    return made;
}

const std::vector<std::size_t> ten_from_five{5, 6, 7, 8, 9, 10, 11, 12, 13, 14};

}  // namespace

TEST_CASE("a decaying threshold follows its formula, mirrored where lower is conservative", "[exit][decaying]") {
    for (const double t : {0.0, 0.3, 0.9, 1.0}) {
        const eo::decaying falling(eo::margin{static_cast<float>(t)}, 50);
        const eo::decaying faster(eo::margin{static_cast<float>(t)}, 50, 9.0f);
        const eo::decaying rising(eo::entropy{static_cast<float>(t)}, 50);
        const eo::decaying constant(eo::margin{static_cast<float>(t)}, 50, 0.0f);
        for (const std::size_t i : {0u, 1u, 7u, 49u, 50u, 100000u}) {
            const auto at = [&](double tau) { return .9 * t + .1 * t * std::exp(-tau * static_cast<double>(i) / 50); };
            CHECK_THAT(falling.threshold_at(i), WithinAbs(at(4), 1e-6));
            CHECK_THAT(faster.threshold_at(i), WithinAbs(at(9), 1e-6));
            CHECK_THAT(rising.threshold_at(i), WithinAbs(2 * t - at(4), 1e-6));
            CHECK_THAT(constant.threshold_at(i), WithinAbs(t, 1e-6));
        }
    }
    // Later tokens exit more easily, below zero too.
    CHECK_THAT(eo::decaying(eo::margin{-1.0f}, 1).threshold_at(100), WithinAbs(-1.1, 1e-6));
    CHECK_THAT(eo::decaying(eo::entropy{-1.0f}, 1).threshold_at(100), WithinAbs(-0.9, 1e-6));
}

TEST_CASE("a decaying gate exits from the token where its threshold is reached", "[exit][decaying]") {
    // p1 = 1 / (1 + 1 / e) = .7311, H = .5822
    const eo::decaying falling(eo::max_probability{.threshold = 0.76f}, 10);
    const eo::decaying rising(eo::entropy{.threshold = 0.56f}, 10);
    REQUIRE(falling.threshold_at(1) > 0.7311f);
    REQUIRE(falling.threshold_at(2) < 0.7310f);
    REQUIRE(rising.threshold_at(1) < 0.5822f);
    REQUIRE(rising.threshold_at(2) > 0.5823f);
    const std::vector<std::size_t> from_seven{7, 8, 9, 10, 11, 12, 13, 14};
    CHECK(exits(eo::max_probability{.threshold = 0.76f}, ten_from_five).empty());
    CHECK(exits(falling, ten_from_five) == from_seven);
    CHECK(exits(rising, ten_from_five) == from_seven);
    CHECK(exits(eo::any_gate(falling), ten_from_five) == from_seven);
    // It counts positions, not calls.
    CHECK(exits(falling, {5, 5, 5, 6, 6, 7}) == std::vector<std::size_t>{7});
    CHECK(exits(falling, {100, 200}) == std::vector<std::size_t>{200});
}

TEST_CASE("restoring a copied sequence state resets a decaying gate", "[exit][decaying]") {
    const eo::decaying gate(eo::max_probability{.threshold = 0.76f}, 10);
    exit_walk token({{0.0f, 1.0f}});
    auto sequence = eo::start_sequence(gate);
    const auto before_all = sequence;
    const auto ask = [&](std::size_t position) { return token.ask(gate, sequence, position).front(); };
    CHECK(ask(5) == decision::go_on);
    const auto after_one = sequence;
    CHECK(ask(8) == decision::exit);
    sequence = after_one;
    CHECK(ask(6) == decision::go_on);
    CHECK(ask(7) == decision::exit);
    sequence = before_all;  // and so starts anew at another position
    CHECK(ask(8) == decision::go_on);
    CHECK(ask(10) == decision::exit);
}

TEST_CASE("decaying forwards the states, start and refusal of the gate it holds", "[exit][decaying]") {
    std::vector<float> thresholds;
    const eo::decaying gate(recording{.threshold = 2.0f, .second_exit_from = 3, .thresholds = &thresholds}, 4);
    exit_walk token({{0.0f}, {0.0f}, {0.0f}});
    auto sequence = eo::start_sequence(gate);
    CHECK(token.ask(gate, sequence, 3) == std::vector<decision>(3, decision::go_on));
    CHECK(token.ask(gate, sequence, 4) == std::vector{decision::go_on, decision::exit, decision::go_on});
    const float later = gate.threshold_at(1);
    CHECK(thresholds == std::vector{2.0f, 2.0f, 2.0f, later, later, later});
    CHECK(error_of([&] { eo::check_gate(gate, {}); }) == thrown(eo::errc::mismatch, {"fits no model"}));
    CHECK_NOTHROW(eo::check_gate(eo::decaying(eo::margin{}, 4), {}));
}

TEST_CASE("a decay over no tokens, or towards harder exits, is refused", "[exit][decaying]") {
    CHECK(error_of([] { eo::decaying(eo::margin{}, 0); }) ==
          thrown(eo::errc::invalid_argument, {"decaying", "max_tokens of at least 1", "found 0"}));
    CHECK(error_of([] { eo::decaying(eo::margin{}, 8, -1.0f); }) ==
          thrown(eo::errc::invalid_argument, {"decaying", "tau >= 0", "found -1"}));
}
