// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/fit_heads.hpp>
#include <earlyout/exit/check_exits.hpp>

#include <earlyout/core/thread_pool.hpp>
#include <earlyout/models/gemma2.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using calibrate::head_kind;
using calibrate::head_target;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

constexpr std::size_t d_model = 20;

/// Hidden states after layer 2 on scales a hundred apart, those at full depth a low-rank map away; the next tokens
/// follow from the former through a hidden matrix.
struct planted {
    std::vector<float> down, up, matrix;

    explicit planted(std::uint32_t seed) {
        support::random_source random(seed);
        down = random.floats(2 * d_model, 0.3f);
        up = random.floats(d_model * 2);
        matrix = random.floats(97 * d_model);
        for (std::size_t i = 0; i < down.size(); ++i) down[i] /= scale(i % d_model);
    }
    static float scale(std::size_t k) { return k == 3 ? 100.0f : 1.0f; }

    calibrate::calibration_set observe(std::uint32_t seed, std::size_t tokens) const {
        support::random_source random(seed);
        std::vector<calibrate::exit_observation> exits(2);
        std::vector<eo::token_id> ids{0};
        exits[0].layer = 2;
        exits[1].layer = 6;
        for (std::size_t i = 0; i <= tokens; ++i) {
            std::vector<float> h = random.floats(d_model);
            for (std::size_t k = 0; k < d_model; ++k) h[k] *= scale(k);
            std::vector<float> deep = h;
            for (std::size_t r = 0; r < 2; ++r) {
                float inner = 0.0f;
                for (std::size_t k = 0; k < d_model; ++k) inner += down[r * d_model + k] * h[k];
                for (std::size_t k = 0; k < d_model; ++k) deep[k] += up[k * 2 + r] * inner * 4.0f;
            }
            exits[0].hidden.insert(exits[0].hidden.end(), h.begin(), h.end());
            exits[1].hidden.insert(exits[1].hidden.end(), deep.begin(), deep.end());
            std::size_t best = 0;
            std::vector<float> scores(97);
            for (std::size_t v = 0; v < 97; ++v) {
                for (std::size_t k = 0; k < d_model; ++k) scores[v] += matrix[v * d_model + k] * h[k] / scale(k);
                if (scores[v] > scores[best]) best = v;
            }
            if (i < tokens) ids.push_back(static_cast<eo::token_id>(best));
        }
        for (auto& exit : exits) {
            exit.argmax.resize(tokens + 1);
            for (auto* values : {&exit.max_probability, &exit.margin, &exit.entropy, &exit.square_entropy}) {
                values->resize(tokens + 1);
            }
            exit.cross_entropy.resize(tokens);
        }
        calibrate::calibration_set kept;
        kept.add({ids, exits});
        return kept;
    }
};

const auto& network() { return support::small_network(); }
using network_type = eo::gpt2<>;

/// Compares (loss(w + e g) - loss(w - e g)) / 2e with |g|: the directional derivative along the gradient.
template <class Weights, class Loss>
void check_slope(Weights weights, std::vector<float> slope, Loss mean_loss) {
    double length = 0.0;
    for (const float g : slope) length += static_cast<double>(g) * static_cast<double>(g);
    length = std::sqrt(length);
    REQUIRE(length > 1e-3);
    const std::vector<float> start(weights.begin(), weights.end());
    const auto at = [&](double step) {
        for (std::size_t i = 0; i < start.size(); ++i) {
            weights[i] = start[i] + static_cast<float>(step / length * static_cast<double>(slope[i]));
        }
        return mean_loss();
    };
    constexpr double step = 5e-3;
    CHECK_THAT((at(step) - at(-step)) / (2.0 * step), WithinRel(length, 0.02));
}

}  // namespace

TEST_CASE("gradients of an adapter's loss match finite differences", "[calibrate][fit_heads]") {
    const planted people(1);
    const auto seen = people.observe(2, 40);
    const calibrate::detail::dense_output<network_type> output(network());
    std::vector<std::size_t> rows(40);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = (7 * i) % 40;
    eo::inline_executor on;
    for (const head_target target : {head_target::full_depth, head_target::truth}) {
        calibrate::detail::adapter_loss<network_type> loss(output, seen, 0, target, 3, 64,
                                                           calibrate::detail::scales_of(seen, 0), 2.0f);
        const auto start = support::random_source(3).floats(loss.weights().size(), 0.3f);
        std::ranges::copy(start, loss.weights().begin());
        (void)loss.slopes(rows, on);
        const std::vector<float> slope(loss.slope().begin(), loss.slope().end());
        check_slope(loss.weights(), slope, [&] { return loss.slopes(rows, on) / 40.0; });
        std::ranges::copy(start, loss.weights().begin());  // and along either half alone
        for (const bool first : {true, false}) {
            std::vector<float> half = slope;
            std::fill_n(first ? half.begin() + 60 : half.begin(), 60, 0.0f);
            check_slope(loss.weights(), half, [&] { return loss.slopes(rows, on) / 40.0; });
            std::ranges::copy(start, loss.weights().begin());
        }
    }
}

TEST_CASE("gradients of an own matrix's loss match finite differences", "[calibrate][fit_heads]") {
    const planted people(1);
    const auto seen = people.observe(2, 40);
    const calibrate::detail::dense_output<network_type> output(network());
    std::vector<std::size_t> rows(40);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
    eo::inline_executor on;
    for (const head_target target : {head_target::full_depth, head_target::truth}) {
        calibrate::detail::own_loss<network_type> loss(output, seen, 0, target, 40,
                                                       calibrate::detail::scales_of(seen, 0), 2.0f);
        (void)loss.residuals(rows, on);
        std::vector<float> slope(loss.weights().size());
        loss.for_each_part(on, [&](std::size_t first, std::span<float>, std::span<const float> of) {
            std::ranges::copy(of, slope.begin() + static_cast<std::ptrdiff_t>(first));
        });
        check_slope(loss.weights(), slope, [&] { return loss.residuals(rows, on) / 40.0; });
    }
}

TEST_CASE("gradients propagate through a layer norm and an RMS norm", "[calibrate][fit_heads]") {
    support::random_source random(4);
    const std::vector<float> gain = random.floats(d_model), x = random.floats(d_model), slope = random.floats(d_model);
    const auto check = [&](const auto& norm) {
        const auto value = [&](const std::vector<float>& at) {
            std::vector<float> z(d_model);
            norm(at.data(), z.data());
            double sum = 0.0;
            for (std::size_t k = 0; k < d_model; ++k) sum += static_cast<double>(z[k]) * static_cast<double>(slope[k]);
            return sum;
        };
        std::vector<float> found(d_model);
        calibrate::detail::norm_backward(norm, x.data(), slope.data(), found.data());
        for (std::size_t k = 0; k < d_model; ++k) {
            std::vector<float> above = x, below = x;
            above[k] += 0.01f;
            below[k] -= 0.01f;
            CHECK_THAT(found[k], WithinAbs((value(above) - value(below)) / 0.02, 2e-3));
        }
    };
    check(eo::layer_norm<>(gain, random.floats(d_model), 1e-5f));
    check(eo::rms_norm<>(gain, 1e-5f));
}

TEST_CASE("an adapter finds a planted low-rank shift", "[calibrate][fit_heads]") {
    const planted people(1);
    const auto seen = people.observe(2, 4000);
    eo::inline_executor on;
    const auto fitted = calibrate::fit_heads(network(), seen, head_kind::adapter,
                                             {.rank = 2, .epochs = 30, .batch = 100, .learning_rate = 0.02f}, on);
    REQUIRE(fitted);
    REQUIRE(fitted->size() == 1);
    const calibrate::fitted_head& head = fitted->front();
    CHECK(head.layer == 2);
    CHECK(head.last_loss < 0.03 * head.first_loss);

    // It adds what was planted, up to a factor and a mean that the final norm removes.
    const auto other = people.observe(5, 50);
    for (std::size_t i = 0; i < other.size(); ++i) {
        std::vector<float> made(other.hidden(0, i).begin(), other.hidden(0, i).end());
        for (std::size_t r = 0; r < 2; ++r) {
            float inner = 0.0f;
            for (std::size_t k = 0; k < d_model; ++k) inner += head.down[r * d_model + k] * other.hidden(0, i)[k];
            for (std::size_t k = 0; k < d_model; ++k) made[k] += head.up[k * 2 + r] * inner;
        }
        std::vector<float> a(d_model), b(d_model);
        network().final_norm()(made.data(), a.data());
        network().final_norm()(other.hidden(1, i).data(), b.data());
        double miss = 0.0, size = 0.0;
        for (std::size_t k = 0; k < d_model; ++k) {
            miss += std::pow(static_cast<double>(a[k] - b[k]), 2);
            size += std::pow(static_cast<double>(b[k]), 2);
        }
        CHECK(miss < 0.02 * size);
    }
}

TEST_CASE("an own matrix learns the next token, the same on any number of threads", "[calibrate][fit_heads]") {
    const planted people(1);
    const auto seen = people.observe(2, 3000);
    const calibrate::head_fit_options options{
        .target = head_target::truth, .epochs = 20, .batch = 100, .learning_rate = 0.02f};
    eo::inline_executor on;
    std::size_t last = 0, all = 0;
    const auto fitted = calibrate::fit_heads(network(), seen, head_kind::own, options, on,
                                             {.progress = [&](std::string_view, std::size_t done, std::size_t of) {
                                                 last = done;
                                                 all = of;
                                             }});
    REQUIRE(fitted);
    CHECK((last == 600 && all == 600));
    CHECK(fitted->front().last_loss < 0.3 * fitted->front().first_loss);
    eo::exit_weights exits;
    exits.set_model({6, d_model, 97, "", "f32"});
    fitted->front().store(exits);
    eo::check_exits(exits);
    const eo::linear_weights head = exits.head(2);
    const auto other = people.observe(5, 300);
    std::size_t right = 0;
    for (std::size_t i = 0; i < other.size(); ++i) {
        std::vector<float> logits(97);
        for (std::size_t v = 0; v < 97; ++v) {
            for (std::size_t k = 0; k < d_model; ++k) logits[v] += head.weight[v * d_model + k] * other.hidden(0, i)[k];
        }
        right += std::ranges::max_element(logits) - logits.begin() == other.truth(i);
    }
    CHECK(right > 150);  // of 300; by chance 3

    eo::thread_pool two(2);
    const auto again =
        calibrate::fit_heads(network(), seen, head_kind::own, {.target = head_target::truth, .epochs = 1}, two);
    const auto once =
        calibrate::fit_heads(network(), seen, head_kind::own, {.target = head_target::truth, .epochs = 1}, on);
    CHECK(again->front().weight == once->front().weight);
}

TEST_CASE("fitting heads can be cancelled, and refuses invalid options", "[calibrate][fit_heads]") {
    const auto seen = planted(1).observe(2, 50);
    eo::inline_executor on;
    std::stop_source cancel;
    std::size_t steps = 0;
    CHECK_FALSE(calibrate::fit_heads(network(), seen, head_kind::adapter, {.epochs = 100, .batch = 10}, on,
                                     {cancel.get_token(), [&](std::string_view, std::size_t done, std::size_t) {
                                          steps = done;
                                          if (done == 3) cancel.request_stop();
                                      }}));
    CHECK(steps == 3);
    CHECK(support::error_of([&] {
              (void)calibrate::fit_heads(network(), seen, head_kind::adapter, {.rank = 21}, on);
          }) == support::thrown(eo::errc::invalid_argument, {"rank of 1 .. 20", "21"}));
    CHECK(support::error_of([&] {
              (void)calibrate::fit_heads(network(), calibrate::calibration_set(), head_kind::own, {}, on);
          }) == support::thrown(eo::errc::invalid_argument, {"none"}));
}

TEST_CASE("heads of a model whose logits are limited are not fitted", "[calibrate][fit_heads][errors]") {
    const auto limited = eo::gemma2<>::from_checkpoint(support::editable_copy("gemma2"));
    CHECK(support::error_of([&] { const calibrate::detail::dense_output<eo::gemma2<>> output(limited); }) ==
          support::thrown(eo::errc::unsupported, {"logits are not limited", "found a cap of 3"}));
}
