// SPDX-License-Identifier: MIT
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/exit/signals.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using Catch::Matchers::WithinAbs;
using support::probabilities;
namespace eo = earlyout;

namespace {

/// Exits whose logits the test makes up, [layer - 1][vocab], and a shortlist of three tokens.
struct made_up_exits : eo::logit_source {
    explicit made_up_exits(std::vector<std::vector<float>> by_layer)
        : by_layer_(std::move(by_layer)), signals(1, by_layer_.front().size(), 3) {
        signals.start_token(0);
    }
    made_up_exits(const made_up_exits&) = delete;
    made_up_exits& operator=(const made_up_exits&) = delete;

    void go_to(std::size_t layer) {
        if (signals.layer() != 0) signals.end_exit();
        signals.begin_exit(layer, hidden, *this);
    }

    std::vector<std::vector<float>> by_layer_;
    std::vector<float> hidden{0.0f};
    std::vector<eo::token_id> kept;
    int full_evaluations = 0, shortlist_evaluations = 0, copied = 0;

    void logits(std::size_t layer, std::span<const float>, std::span<float> out) override {
        ++full_evaluations;
        std::ranges::copy(by_layer_[layer - 1], out.begin());
    }
    eo::kernels::logit_summary summary(std::size_t, std::span<const float>) override { return {}; }
    void set_shortlist(std::span<const eo::token_id> ids) override {
        ++copied;
        kept.assign(ids.begin(), ids.end());
    }
    void shortlist_logits(std::size_t layer, std::span<const float>, std::span<float> out) override {
        ++shortlist_evaluations;
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = by_layer_[layer - 1][static_cast<std::size_t>(kept[i])];
    }

    eo::exit_signals signals;
};

const std::vector<std::vector<float>> three_layers{
    {1.0f, 4.0f, -2.0f, 3.0f, 0.0f, 2.0f}, {9.0f, 1.0f, 0.0f, 2.5f, 9.0f, 2.0f}, {0.0f, 0.5f, 0.0f, 0.0f, 7.0f, 0.25f}};

}  // namespace

TEST_CASE("a later exit is evaluated on the first one's most likely tokens", "[exit][shortlist]") {
    made_up_exits at(three_layers);
    at.go_to(1);
    const std::vector<double> first = probabilities(at.by_layer_[0]);
    CHECK_THAT(at.signals.max_probability(), WithinAbs(first[1], 1e-6));
    CHECK(at.signals.argmax() == 1);
    CHECK(at.copied == 0);  // it may exit here

    at.go_to(2);
    CHECK(at.signals.previous_argmax() == 1);
    const std::vector<double> second = probabilities({1.0f, 2.5f, 2.0f});  // of tokens 1, 3 and 5
    CHECK_THAT(at.signals.margin(), WithinAbs(second[1] - second[2], 1e-6));
    CHECK(at.kept == std::vector<eo::token_id>{1, 3, 5});
    CHECK(at.signals.argmax() == 3);
    CHECK_THAT(at.signals.max_probability(), WithinAbs(second[1], 1e-6));
    double entropy = 0.0;
    for (const double p : second) entropy -= p * std::log(p);
    CHECK_THAT(at.signals.entropy(), WithinAbs(entropy, 1e-6));
    CHECK_THAT(at.signals.log_probability(5), WithinAbs(std::log(second[2]), 1e-6));
    CHECK_FALSE(at.signals.has_logits());

    at.go_to(3);
    CHECK(at.signals.previous_argmax() == 3);
    CHECK(at.signals.argmax() == 1);
    CHECK(at.full_evaluations == 1);
    CHECK(at.shortlist_evaluations == 2);
    CHECK(at.copied == 1);

    at.signals.start_token(1);
    at.go_to(2);
    CHECK(at.signals.argmax() == 0);  // a new token computes all logits again
    CHECK(at.full_evaluations == 2);
    CHECK(at.shortlist_evaluations == 2);
}

TEST_CASE("reading all logits at a later exit updates the other signals", "[exit][shortlist]") {
    made_up_exits at(three_layers);
    at.go_to(1);
    (void)at.signals.logits();
    at.go_to(2);
    const double before = static_cast<double>(at.signals.entropy());
    CHECK(at.signals.argmax() == 3);
    CHECK(at.signals.logits().size() == 6);
    const std::vector<double> all = probabilities(at.by_layer_[1]);
    CHECK(at.signals.argmax() == 0);
    CHECK_THAT(at.signals.max_probability(), WithinAbs(all[0], 1e-6));
    CHECK(std::abs(static_cast<double>(at.signals.entropy()) - before) > 0.1);
    at.go_to(3);
    CHECK(at.signals.previous_argmax() == 0);
    CHECK(at.signals.argmax() == 1);  // still in the first exit's list
    // A token that is not in the list requires all logits.
    CHECK_THAT(at.signals.log_probability(4), WithinAbs(std::log(probabilities(at.by_layer_[2])[4]), 1e-6));
    CHECK(at.signals.argmax() == 4);
}

TEST_CASE("the first evaluated exit computes all logits, whichever it is", "[exit][shortlist]") {
    made_up_exits at(three_layers);
    at.go_to(1);
    at.go_to(2);
    CHECK(at.signals.argmax() == 0);
    CHECK(at.full_evaluations == 1);
    at.go_to(3);
    CHECK(at.signals.argmax() == 4);
    CHECK(at.kept == std::vector<eo::token_id>{0, 3, 4});
    CHECK(at.full_evaluations == 1);
}

TEST_CASE("a shortlist needs two tokens", "[exit][shortlist]") {
    CHECK_THROWS_AS(eo::shortlist(1), eo::error);
    CHECK(eo::shortlist_of(eo::shortlist{}).tokens == 256);
    static_assert(eo::exit_head<eo::shortlist<>>);
}
