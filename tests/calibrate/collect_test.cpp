// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/collect.hpp>
#include <earlyout/calibrate/recompute_outputs.hpp>
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/heads/shared_head.hpp>

#include <earlyout/core/thread_pool.hpp>
#include <earlyout/generate/session.hpp>

#include <cmath>
#include <random>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using Catch::Matchers::WithinAbs;

namespace {

calibrate::corpus_text random_text(std::size_t size, std::uint32_t seed) {
    std::mt19937 engine(seed);
    return {"random", seed, support::random_prompt(engine, size)};
}

/// Uses the model's own output, reversed.
struct mirrored_head {
    template <class Output>
    void operator()(std::size_t, eo::matrix_view<const float> hidden, eo::matrix_view<float> logits,
                    Output&& output) const {
        output(hidden, logits);
        for (std::size_t i = 0; i < logits.rows(); ++i) {
            for (float& x : logits[i]) x = -x;
        }
    }
};

}  // namespace

TEST_CASE("an observation is what a session computes for the same tokens", "[calibrate][collect]") {
    const auto& network = support::small_network();
    eo::inline_executor on;
    calibrate::collector collector(network, {2, 3}, 64, on);
    const auto text = random_text(40, 5);
    const calibrate::window_observation seen = collector.observe(text.ids);
    REQUIRE(seen.exits.size() == 3);
    CHECK(seen.exits[0].layer == 2);
    CHECK(seen.full_depth().layer == 6);

    for (const std::size_t size : {1u, 7u, 40u}) {
        const std::vector<eo::token_id> prompt(text.ids.begin(), text.ids.begin() + static_cast<std::ptrdiff_t>(size));
        for (const calibrate::exit_observation& exit : seen.exits) {
            eo::session s{network, eo::exit_policy{eo::exit_plan{std::vector{exit.layer}, eo::always_exit{}},
                                                   eo::shared_head{}, eo::defer{.prefill = eo::prefill::lazy}}};
            const eo::completion one = s.complete(prompt, {.max_new_tokens = 1});
            CHECK(one.ids[0] == exit.argmax[size - 1]);
            CHECK(one.exit_layers[0] == exit.layer);
            CHECK_THAT(std::exp(one.log_probabilities[0]), WithinAbs(exit.max_probability[size - 1], 1e-6));
            const auto row = s.tokens().hidden_state(size - 1);
            CHECK(
                std::equal(row.begin(), row.end(), exit.hidden.begin() + static_cast<std::ptrdiff_t>((size - 1) * 20)));
        }
    }
}

TEST_CASE("margins, entropies and cross entropies are those of the logits", "[calibrate][collect]") {
    const auto& network = support::small_network();
    eo::thread_pool two(2);
    calibrate::collector collector(network, {1}, 64, two);
    const auto text = random_text(64, 6);
    const auto seen = collector.observe(text.ids);
    eo::inline_executor on;
    eo::run_context context(network, 1, on);
    std::vector<float> logits(97);
    for (const std::size_t i : {0u, 31u, 62u}) {
        const calibrate::exit_observation& exit = seen.exits[0];
        network.logits({exit.hidden.data() + i * 20, 1, 20}, {logits.data(), 1, 97}, context);
        double sum = 0.0, entropy = 0.0;
        for (const float x : logits) sum += std::exp(static_cast<double>(x));
        std::vector<double> p;
        for (const float x : logits) p.push_back(std::exp(static_cast<double>(x)) / sum);
        for (const double q : p) entropy -= q * std::log(q);
        CHECK_THAT(exit.cross_entropy[i], WithinAbs(-std::log(p[static_cast<std::size_t>(text.ids[i + 1])]), 1e-4));
        CHECK_THAT(exit.entropy[i], WithinAbs(entropy, 1e-4));
        std::ranges::sort(p, std::greater{});
        CHECK_THAT(exit.margin[i], WithinAbs(p[0] - p[1], 1e-5));
        CHECK_THAT(exit.max_probability[i], WithinAbs(p[0], 1e-5));
    }
}

TEST_CASE("a collector visits every window of every text and can be cancelled", "[calibrate][collect]") {
    eo::inline_executor on;
    calibrate::collector collector(support::small_network(), {}, 16, on);
    const std::vector<calibrate::corpus_text> texts{random_text(40, 1), random_text(17, 2), random_text(1, 3)};
    std::vector<std::size_t> windows;
    std::size_t reported = 0;
    CHECK(collector.run(
        texts, [&](const calibrate::window_observation& w) { windows.push_back(w.tokens.size()); }, {},
        [&](std::size_t tokens) { reported = tokens; }));
    CHECK(windows == std::vector<std::size_t>{16, 16, 8, 16});
    CHECK(reported == 56);

    std::stop_source cancel;
    windows.clear();
    CHECK_FALSE(collector.run(
        texts,
        [&](const calibrate::window_observation& w) {
            windows.push_back(w.tokens.size());
            cancel.request_stop();
        },
        cancel.get_token()));
    CHECK(windows.size() == 1);
}

TEST_CASE("exits with their own head are observed through it, full depth is not", "[calibrate][collect]") {
    eo::inline_executor on;
    const auto& network = support::small_network();
    calibrate::collector plain(network, {2}, 32, on);
    calibrate::collector mirrored(network, {2}, 32, on, mirrored_head{});
    const auto text = random_text(32, 9);
    const auto a = plain.observe(text.ids);
    const auto b = mirrored.observe(text.ids);
    CHECK(a.exits[0].argmax != b.exits[0].argmax);
    CHECK(a.full_depth().argmax == b.full_depth().argmax);
}

TEST_CASE("a collector refuses windows and layers that the model does not have", "[calibrate][collect]") {
    eo::inline_executor on;
    const auto& network = support::small_network();
    CHECK(support::error_of([&] { (void)calibrate::collector(network, {}, 65, on); }) ==
          support::thrown(eo::errc::out_of_range, {"window", "2 .. 64", "found 65"}));
    CHECK(support::error_of([&] {
              (void)calibrate::collector(network, {3, 3}, 16, on);
          }) == support::thrown(eo::errc::invalid_argument, {"increasing layers 1 .. 6", "found 3"}));
    CHECK(support::error_of([&] { (void)calibrate::collector(network, {7}, 16, on); }) ==
          support::thrown(eo::errc::invalid_argument, {"increasing layers 1 .. 6", "found 7"}));
}

TEST_CASE("logits that are not numbers are an error where a corpus is observed", "[calibrate][collect]") {
    struct bad_head {
        void operator()(std::size_t, eo::matrix_view<const float> hidden, eo::matrix_view<float> logits,
                        const eo::lm_head& output) const {
            output(hidden, logits);
            for (std::size_t i = 0; i < logits.rows(); ++i) logits.row(i)[40] = std::nanf("");
        }
    };
    eo::inline_executor on;
    calibrate::collector collect(support::small_network(), {2, 4}, 16, on, bad_head{});
    const auto refused = support::thrown(eo::errc::wrong_value, {"logits after layer 2", "expected numbers"});
    CHECK(support::error_of([&] { (void)collect.observe(random_text(16, 1).ids); }) == refused);
    calibrate::collector good(support::small_network(), {2, 4}, 16, on);
    calibrate::calibration_set seen;
    seen.add(good.observe(random_text(16, 1).ids));
    CHECK(support::error_of([&] { calibrate::recompute_outputs(seen, support::small_network(), bad_head{}, on); }) ==
          refused);
}
