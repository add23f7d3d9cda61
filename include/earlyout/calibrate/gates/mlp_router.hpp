// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_GATES_MLP_ROUTER_HPP
#define EARLYOUT_CALIBRATE_GATES_MLP_ROUTER_HPP

#include <earlyout/calibrate/adam.hpp>
#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/fitted_gate.hpp>
#include <earlyout/calibrate/labels.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/exit/gates/mlp_router.hpp>
#include <earlyout/kernels/dot.hpp>

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

namespace detail {

/// Cross entropy of sigmoid(w2 . silu(W1 x + b1) + b2) and its gradient, x being a row of unit root mean square.
/// Weights in one vector: W1 [hidden, d], b1 [hidden], w2 [hidden], b2.
class router_loss {
public:
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

    router_loss(std::size_t d_model, std::size_t hidden)
        : d_(static_cast<Eigen::Index>(d_model)), hidden_(static_cast<Eigen::Index>(hidden)) {}

    [[nodiscard]] std::size_t weights() const noexcept { return static_cast<std::size_t>(hidden_ * (d_ + 2) + 1); }
    [[nodiscard]] std::size_t bias_at() const noexcept { return static_cast<std::size_t>(hidden_ * d_); }
    [[nodiscard]] std::size_t down_at() const noexcept { return static_cast<std::size_t>(hidden_ * (d_ + 1)); }

    /// Computes the mean loss over rows and its gradient.
    /// @param x [rows, d_model]; label: 1 for a positive
    double operator()(std::span<const float> weights, const matrix& x, std::span<const std::uint8_t> label,
                      std::span<float> slopes) {
        const Eigen::Map<const matrix> w1(weights.data(), hidden_, d_);
        const Eigen::RowVectorXf b1 = Eigen::Map<const Eigen::RowVectorXf>(weights.data() + bias_at(), hidden_);
        const Eigen::VectorXf w2 = Eigen::Map<const Eigen::VectorXf>(weights.data() + down_at(), hidden_);
        const float b2 = weights.back();
        z_.noalias() = x * w1.transpose();
        z_.rowwise() += b1;
        gate_ = (1.0f + (-z_.array()).exp()).inverse().matrix();
        a_ = z_.cwiseProduct(gate_);
        out_.noalias() = a_ * w2;
        out_.array() += b2;
        double loss = 0.0;
        const float scale = 1.0f / static_cast<float>(x.rows());
        for (Eigen::Index i = 0; i < x.rows(); ++i) {
            const float y = out_(i);
            const bool positive = label[static_cast<std::size_t>(i)] != 0;
            loss += static_cast<double>(std::log1p(std::exp(-std::abs(y))) + std::max(0.0f, positive ? -y : y));
            out_(i) = (1.0f / (1.0f + std::exp(-y)) - (positive ? 1.0f : 0.0f)) * scale;
        }
        Eigen::Map<matrix> g1(slopes.data(), hidden_, d_);
        Eigen::Map<Eigen::RowVectorXf> gb1(slopes.data() + bias_at(), hidden_);
        Eigen::Map<Eigen::VectorXf> g2(slopes.data() + down_at(), hidden_);
        g2.noalias() = a_.transpose() * out_;
        slopes.back() = out_.sum();
        // d silu(z) = sigmoid(z) (1 + z (1 - sigmoid(z)))
        z_ = (gate_.array() * (1.0f + z_.array() * (1.0f - gate_.array()))).matrix();
        z_ = z_.cwiseProduct(out_ * w2.transpose());
        g1.noalias() = z_.transpose() * x;
        // By way of a vector of Eigen's: the order of these sums depends on the alignment of what they are assigned to.
        bias_slopes_ = z_.colwise().sum();
        gb1 = bias_slopes_;
        return loss * static_cast<double>(scale);
    }

private:
    Eigen::Index d_;
    Eigen::Index hidden_;
    matrix z_, gate_, a_;
    Eigen::VectorXf out_;
    Eigen::RowVectorXf bias_slopes_;
};

}  // namespace detail

/// Fits mlp_router, one network for each exit but full depth: the probability that exiting there follows the label
/// rule. Uses AdamW over batches in random order, with a learning rate that decays to 0, then calibrates (Platt, 1999).
/// The same seed gives the same weights.
struct mlp_router_fit {
    static constexpr std::string_view gate = mlp_router::info.name;

    label_rule labels = label_rule::agrees;
    std::size_t hidden = 32;
    std::size_t epochs = 8;
    std::size_t batch = 256;  ///< tokens per step
    adam_options optimiser{.learning_rate = 3e-3f, .weight_decay = 0.01f};
    std::uint64_t seed = 1;

    /// @throws error (invalid_argument) for invalid options, or no tokens
    [[nodiscard]] fitted_gate operator()(const gate_fit_data& data) const try {
        if (hidden == 0 || epochs == 0 || batch == 0 || data.fit.size() == 0) {
            fail(errc::invalid_argument,
                 "fit mlp-router: expected hidden, epochs, batch and tokens of at least 1, found ", hidden, ", ",
                 epochs, ", ", batch, " and ", data.fit.size());
        }
        fitted_gate made{.gate = std::string(gate), .tensors = {}, .exits = {}, .temperatures = {}};
        for (std::size_t e = 0; e + 1 < data.fit.exit_count() && !data.cancel.stop_requested(); ++e) {
            fit_exit(data, e, made);
        }
        return made;
    } catch (...) {
        earlyout::detail::rethrow_as_error("fit");
    }

private:
    void fit_exit(const gate_fit_data& data, std::size_t e, fitted_gate& into) const {
        const calibration_set& seen = data.fit;
        const std::size_t d = seen.d_model();
        detail::router_loss loss(d, hidden);
        std::vector<float> weights(loss.weights()), slopes(weights.size());
        std::mt19937_64 engine(seed * 1000003 + e);
        const float spread = std::sqrt(3.0f / static_cast<float>(d));  // of variance 1 / d
        for (float& w : std::span(weights).first(loss.bias_at())) {
            w = (static_cast<float>(engine() >> 40) * 0x1p-23f - 1.0f) * spread;
        }
        for (float& w : std::span(weights).subspan(loss.down_at(), hidden)) {
            w = (static_cast<float>(engine() >> 40) * 0x1p-23f - 1.0f) / std::sqrt(static_cast<float>(hidden));
        }
        std::vector<std::size_t> order(seen.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        const std::size_t size = std::min(batch, seen.size());
        const std::size_t steps = epochs * (seen.size() / size);
        adam steps_of(weights.size(), optimiser);
        detail::router_loss::matrix x(static_cast<Eigen::Index>(size), static_cast<Eigen::Index>(d));
        std::vector<std::uint8_t> label(size);
        double last = 0.0;
        const std::size_t tail = std::max<std::size_t>(1, steps / 10);
        for (std::size_t s = 0, at = seen.size(); s < steps && !data.cancel.stop_requested(); ++s, at += size) {
            if (at + size > seen.size()) {
                for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[engine() % i]);
                at = 0;
            }
            for (std::size_t i = 0; i < size; ++i) {
                const std::span<const float> h = seen.hidden(e, order[at + i]);
                const float squares = kernels::dot(h.data(), h.data(), d);  // whose bits do not depend on alignment
                const Eigen::Map<const Eigen::RowVectorXf> row(h.data(), static_cast<Eigen::Index>(d));
                x.row(static_cast<Eigen::Index>(i)) = row / std::sqrt(squares / static_cast<float>(d) + 1e-6f);
                label[i] = is_correct_exit(seen, e, order[at + i], labels) ? 1 : 0;
            }
            const double found = loss(weights, x, label, slopes);
            if (s + tail >= steps) last += found / static_cast<double>(tail);
            steps_of.start_step(1.0f - static_cast<float>(s) / static_cast<float>(steps));
            steps_of.update(0, weights, slopes);
        }
        store(data, e, loss, weights, last, steps, into);
    }

    void store(const gate_fit_data& data, std::size_t e, const detail::router_loss& loss, std::vector<float>& weights,
               double last, std::size_t steps, fitted_gate& into) const {
        const calibration_set& seen = data.validation;
        const std::size_t d = seen.d_model(), layer = seen.layer(e);
        const auto part = [&](std::size_t first, std::size_t count) {
            return std::span(weights).subspan(first, count);
        };
        gate_calibration right{.decision = "exit", .share = 0.0, .before = {}, .after = {}};
        const auto evaluate = [&](reliability& to) {
            const mlp_router now({{layer,
                                   {hidden, d, part(0, hidden * d), part(loss.bias_at(), hidden)},
                                   {1, hidden, part(loss.down_at(), hidden), part(weights.size() - 1, 1)}}});
            std::size_t count = 0;
            for (std::size_t i = 0; i < seen.size(); ++i) {
                const bool is_right = is_correct_exit(seen, e, i, labels);
                to.add(static_cast<double>(*now.probability(layer, seen.hidden(e, i))), is_right);
                count += is_right;
            }
            right.share = static_cast<double>(count) / static_cast<double>(std::max<std::size_t>(1, seen.size()));
        };
        evaluate(right.before);
        const platt_scaling fitted = right.before.fit_platt();
        for (float& w : part(loss.down_at(), hidden)) w *= static_cast<float>(fitted.scale);
        weights.back() = static_cast<float>(fitted.scale * static_cast<double>(weights.back()) + fitted.offset);
        evaluate(right.after);
        const auto values = [&](std::size_t first, std::size_t count) {
            const std::span<float> from = part(first, count);
            return std::vector<float>(from.begin(), from.end());
        };
        const std::string prefix = std::to_string(layer) + ".";
        into.tensors.push_back({prefix + "up.weight", {hidden, d}, values(0, hidden * d)});
        into.tensors.push_back({prefix + "up.bias", {hidden}, values(loss.bias_at(), hidden)});
        into.tensors.push_back({prefix + "down.weight", {1, hidden}, values(loss.down_at(), hidden)});
        into.tensors.push_back({prefix + "down.bias", {1}, {weights.back()}});
        into.exits.push_back({layer, last, steps, {std::move(right)}});
    }
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
