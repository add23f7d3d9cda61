// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/jei_dnn.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "exit/exit_point.hpp"
#include "exit/exit_walk.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using Catch::Matchers::WithinAbs;
using eo::decision;
using support::error_of;
using support::exit_walk;
using support::thrown;

namespace {

double entropy_of(const std::vector<double>& p) {
    double h = 0.0;
    for (const double value : p) h -= value > 0.0 ? value * std::log(value) : 0.0;
    return h;
}

std::array<double, 4> reference_features(const std::vector<float>& logits) {
    std::vector<double> p = support::probabilities(logits), q;
    double squares = 0.0;
    for (const double value : p) squares += value * value;
    for (const double value : p) q.push_back(value * value / squares);
    const double h = entropy_of(p);
    std::ranges::sort(p, std::greater{});
    return {p[0], h, p[0] - p[1], entropy_of(q)};
}

/// The probabilities a of exiting, in double precision, from the definition.
std::vector<double> reference_leaving(const std::vector<double>& g) {
    double sum = 0.0, product = 1.0;
    std::vector<double> leaving;
    for (const double now : g) {
        const double p_exit = std::max(0.0, std::min(now, 1.0 - sum));
        leaving.push_back(sum >= 1.0 ? 1.0 : std::clamp(p_exit / product, 0.0, 1.0));
        sum += now;
        product *= 1.0 - leaving.back();
    }
    return leaving;
}

/// A gate whose g is sigmoid(score) at each layer, independent of the logits; the scores must outlive it.
class with_scores {
public:
    explicit with_scores(std::vector<float> scores) : scores_(std::move(scores)) {}

    eo::jei_dnn gate(float threshold = 0.5f) const {
        std::vector<eo::layer_weights> each;
        for (std::size_t i = 0; i < scores_.size(); ++i) each.push_back({i + 1, {1, 4, nothing_, {&scores_[i], 1}}});
        return eo::jei_dnn(std::move(each), threshold);
    }
    std::vector<double> leaving() const {
        std::vector<double> g;
        for (const float score : scores_) g.push_back(1.0 / (1.0 + std::exp(-static_cast<double>(score))));
        return reference_leaving(g);
    }
    std::vector<decision> ask(float threshold = 0.5f) const {
        exit_walk token(exit_walk::rows(scores_.size(), {0.0f, 1.0f}));
        return token.ask(gate(threshold));
    }

private:
    std::vector<float> scores_;
    std::vector<float> nothing_ = std::vector<float>(4);
};

float score_of(double g) { return static_cast<float>(std::log(g / (1.0 - g))); }

using decisions = std::vector<decision>;

}  // namespace

TEST_CASE("JEI-DNN's features equal their formulas", "[exit][jei_dnn]") {
    support::random_source random(1);
    for (const std::size_t vocab : {2u, 3u, 17u, 97u, 4096u}) {
        for (const float deviation : {0.1f, 2.0f, 8.0f}) {
            std::vector<float> logits = random.floats(vocab, deviation);
            const std::array<double, 4> expected = reference_features(logits);
            for (const float shift : {0.0f, 40.0f, -40.0f}) {
                std::vector<float> shifted = logits;
                for (float& x : shifted) x += shift;
                const std::array<float, 4> found = eo::jei_features(shifted);
                INFO("vocab " << vocab << ", deviation " << deviation << ", shift " << shift);
                for (std::size_t i = 0; i < 4; ++i) CHECK_THAT(found[i], WithinAbs(expected[i], 1e-4));
            }
        }
    }
}

TEST_CASE("JEI-DNN's features at their ends", "[exit][jei_dnn]") {
    const auto near = [](const std::array<float, 4>& found, const std::array<double, 4>& expected) {
        for (std::size_t i = 0; i < 4; ++i) CHECK_THAT(found[i], WithinAbs(expected[i], 1e-6));
    };
    near(eo::jei_features(std::vector<float>(8, 3.0f)), {0.125, std::log(8.0), 0.0, std::log(8.0)});
    near(eo::jei_features(std::vector<float>{0.0f, 500.0f, 0.0f}), {1.0, 0.0, 1.0, 0.0});
}

TEST_CASE("JEI-DNN's gate reads those features at each exit", "[exit][jei_dnn]") {
    support::random_source random(2);
    for (int repeat = 0; repeat < 20; ++repeat) {
        const std::vector<float> logits = random.floats(97, 2.0f), weight = random.floats(4, 0.5f);
        const std::vector<float> bias = random.floats(1);
        const std::array<double, 4> u = reference_features(logits);
        double score = bias[0];
        for (std::size_t i = 0; i < 4; ++i) score += weight[i] * u[i];
        const auto g = static_cast<float>(1.0 / (1.0 + std::exp(-score)));
        const eo::linear_weights weights{.outputs = 1, .inputs = 4, .weight = weight, .bias = bias};
        support::exit_point at(logits);
        // At the first exit a = g.
        CHECK(at.ask(eo::jei_dnn(weights, g - 1e-4f)) == decision::exit);
        CHECK(at.ask(eo::jei_dnn(weights, g + 1e-4f)) == decision::go_on);
        CHECK(at.heads_run() == 1);
    }
}

TEST_CASE("JEI-DNN's shares add up over a token's exits", "[exit][jei_dnn]") {
    // Shares .2, .3, .3: a = .2, .3 / .8, .3 / .5, then all that remains.
    const with_scores token({score_of(0.2), score_of(0.3), score_of(0.3), score_of(0.9), score_of(0.01)});
    CHECK_THAT(token.leaving()[1], WithinAbs(0.375, 1e-6));
    CHECK_THAT(token.leaving()[2], WithinAbs(0.6, 1e-6));
    CHECK(token.ask() == decisions{decision::go_on, decision::go_on, decision::exit, decision::exit, decision::exit});
    CHECK(token.ask(0.37f)[1] == decision::exit);
    CHECK(token.ask(0.38f)[1] == decision::go_on);
    CHECK(token.ask(0.61f)[2] == decision::go_on);
    CHECK(token.ask(1.0f)[4] == decision::exit);
    CHECK(token.ask(1.1f) == decisions(5, decision::go_on));
    // S = 1 at once: no tokens remain, even where g is 0.
    CHECK(with_scores({100.0f, -200.0f, 0.0f}).ask(1.0f) == decisions(3, decision::exit));
    CHECK(with_scores({-200.0f, -200.0f, 0.0f}).ask() == decisions{decision::go_on, decision::go_on, decision::exit});
}

TEST_CASE("JEI-DNN decides as its formula on random scores", "[exit][jei_dnn]") {
    support::random_source random(3);
    std::size_t exits = 0;
    for (int repeat = 0; repeat < 200; ++repeat) {
        std::vector<float> scores = random.floats(6, 1.5f);
        for (float& score : scores) score -= 2.0f;
        const with_scores token(scores);
        const std::vector<double> leaving = token.leaving();
        for (const float threshold : {0.2f, 0.5f, 0.8f}) {
            const decisions made = token.ask(threshold);
            for (std::size_t i = 0; i < made.size(); ++i) {
                if (std::abs(leaving[i] - threshold) < 1e-4) continue;
                CHECK((made[i] == decision::exit) == (leaving[i] >= threshold));
                exits += made[i] == decision::exit ? 1 : 0;
            }
        }
    }
    CHECK(exits > 500);
    CHECK(exits < 3000);
}

TEST_CASE("JEI-DNN continues after a layer without weights, which adds nothing to its sums", "[exit][jei_dnn]") {
    const std::vector<float> nothing(4), bias{score_of(0.3)};
    const eo::linear_weights weights{.outputs = 1, .inputs = 4, .weight = nothing, .bias = bias};
    exit_walk token(exit_walk::rows(4, {0.0f, 1.0f}));
    // .3, .3 / .7 = .43; evaluated a third time it would be .75.
    CHECK(token.ask(eo::jei_dnn({{2, weights}, {4, weights}})) == decisions(4, decision::go_on));
    CHECK(token.ask(eo::jei_dnn({{2, weights}, {4, weights}}, 0.42f))[3] == decision::exit);
    CHECK(token.ask(eo::jei_dnn(weights)) ==
          decisions{decision::go_on, decision::go_on, decision::exit, decision::exit});
}

TEST_CASE("weights that are no JEI-DNN gate's are refused, and so is a model too shallow", "[exit][jei_dnn]") {
    const std::vector<float> four(4), six(6);
    const eo::linear_weights good{.outputs = 1, .inputs = 4, .weight = four, .bias = {}};
    const eo::linear_weights wide{.outputs = 1, .inputs = 6, .weight = six, .bias = {}};
    CHECK(error_of([&] { eo::jei_dnn gate(wide); }) ==
          thrown(eo::errc::wrong_shape, {"jei_dnn: expected", "4 inputs", "found 6"}));
    CHECK(error_of([&] {
              eo::jei_dnn({{1, good}, {3, wide}});
          }) == thrown(eo::errc::wrong_shape, {"jei_dnn: layer 3", "4 inputs", "found 6"}));
    CHECK(error_of([&] { eo::jei_dnn({.outputs = 2, .inputs = 2, .weight = four, .bias = {}}); }) ==
          thrown(eo::errc::wrong_shape, {"jei_dnn", "1 output", "found 2 outputs"}));
    const eo::jei_dnn each({{6, good}, {3, good}});
    CHECK_NOTHROW(each.check({.layers = 6, .d_model = 160}));
    CHECK(error_of([&] { each.check({.layers = 5, .d_model = 160}); }) ==
          thrown(eo::errc::mismatch, {"jei_dnn", "at least 6 layers", "found 5"}));
    CHECK_NOTHROW(eo::jei_dnn(good).check({.layers = 1, .d_model = 160}));
}
