// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_DETAIL_HEAD_LOSS_HPP
#define EARLYOUT_CALIBRATE_DETAIL_HEAD_LOSS_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/detail/batch_targets.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/nn/normalization.hpp>

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate { namespace detail {

/// The loss of output(h + spread B A (h / scales)) and its gradient in A: [rank, d_model] and B: [d_model, rank].
template <class Network>
class adapter_loss {
    using targets = batch_targets<Network>;

public:
    adapter_loss(const dense_output<Network>& output, const calibration_set& seen, std::size_t exit, head_target target,
                 std::size_t rank, std::size_t batch, std::vector<float> scales, float spread)
        : output_(&output),
          seen_(&seen),
          targets_(output, seen, target),
          exit_(exit),
          rank_(rank),
          scales_(std::move(scales)),
          spread_(spread),
          weights_(2 * rank * seen.d_model()),
          slope_(weights_.size()),
          parts_((batch + targets::part_rows - 1) / targets::part_rows) {
        for (part& p : parts_) p.slope.resize(weights_.size());
    }

    [[nodiscard]] std::span<float> weights() noexcept { return weights_; }
    [[nodiscard]] std::span<float> down() noexcept { return weights().first(weights_.size() / 2); }
    [[nodiscard]] std::span<float> up() noexcept { return weights().last(weights_.size() / 2); }
    /// Returns the gradient of the mean loss of the rows evaluated last.
    [[nodiscard]] std::span<const float> slope() const noexcept { return slope_; }

    /// Sets slope() and returns the sum of the rows' losses.
    /// @param rows at most `batch` tokens
    double slopes(std::span<const std::size_t> rows, executor& on) {
        for_each_part_of(rows.size(), targets::part_rows, on, [&](std::size_t p, std::size_t first, std::size_t count) {
            work(parts_[p], rows.subspan(first, count));
        });
        std::ranges::fill(slope_, 0.0f);
        double loss = 0.0;
        const std::size_t used = (rows.size() + targets::part_rows - 1) / targets::part_rows;
        for (std::size_t p = 0; p < used; ++p) {
            loss += parts_[p].loss;
            for (std::size_t i = 0; i < slope_.size(); ++i) slope_[i] += parts_[p].slope[i];
        }
        for (float& s : slope_) s /= static_cast<float>(rows.size());
        return loss;
    }

private:
    struct part {
        float_rows x, inner, adapted, normed, logits, room, at_normed, at_adapted, at_inner;
        std::vector<float> slope;
        double loss = 0.0;
    };

    void work(part& p, std::span<const std::size_t> rows) {
        const auto n = static_cast<Eigen::Index>(rows.size());
        const auto d = static_cast<Eigen::Index>(seen_->d_model());
        const auto r = static_cast<Eigen::Index>(rank_);
        const const_float_rows_view a(weights_.data(), r, d), b(weights_.data() + r * d, d, r);
        const Eigen::Map<const Eigen::RowVectorXf> scales(scales_.data(), d);
        p.x.resize(n, d);
        p.adapted.resize(n, d);
        for (Eigen::Index i = 0; i < n; ++i) {
            p.adapted.row(i) =
                Eigen::Map<const Eigen::RowVectorXf>(seen_->hidden(exit_, rows[static_cast<std::size_t>(i)]).data(), d);
        }
        p.x = p.adapted.array().rowwise() / scales.array();
        p.inner.noalias() = p.x * a.transpose();
        p.adapted.noalias() += spread_ * (p.inner * b.transpose());
        p.normed.resize(n, d);
        for (Eigen::Index i = 0; i < n; ++i) output_->norm()(p.adapted.row(i).data(), p.normed.row(i).data());
        p.logits.noalias() = p.normed * output_->matrix().transpose();
        p.loss = targets_.to_slopes(rows, p.logits, p.room);
        p.at_normed.noalias() = p.logits * output_->matrix();
        p.at_adapted.resize(n, d);
        for (Eigen::Index i = 0; i < n; ++i) {
            norm_backward(output_->norm(), p.adapted.row(i).data(), p.at_normed.row(i).data(),
                          p.at_adapted.row(i).data());
        }
        p.at_inner.noalias() = spread_ * (p.at_adapted * b);
        float_rows_view(p.slope.data(), r, d).noalias() = p.at_inner.transpose() * p.x;
        float_rows_view(p.slope.data() + r * d, d, r).noalias() = spread_ * (p.at_adapted.transpose() * p.inner);
    }

    const dense_output<Network>* output_;
    const calibration_set* seen_;
    targets targets_;
    std::size_t exit_;
    std::size_t rank_;
    std::vector<float> scales_;
    float spread_;
    std::vector<float> weights_;  // A, B
    std::vector<float> slope_;
    std::vector<part> parts_;
};

/// The loss of W (h / scales) and its gradient in W: [vocab, d_model], a few rows at a time.
template <class Network>
class own_loss {
    using targets = batch_targets<Network>;

public:
    /// Initialises W with the model's output matrix, its final norm made linear: gain (h - mean h) / spread, with
    /// the mean only where the norm subtracts it.
    own_loss(const dense_output<Network>& output, const calibration_set& seen, std::size_t exit, head_target target,
             std::size_t batch, std::vector<float> scales, float spread)
        : seen_(&seen), targets_(output, seen, target), exit_(exit), scales_(std::move(scales)) {
        const auto d = output.matrix().cols();
        const Eigen::Map<const Eigen::RowVectorXf> gain(output.norm().weight().data(), d);
        const Eigen::Map<const Eigen::RowVectorXf> scale(scales_.data(), d);
        weight_ = output.matrix().array().rowwise() * (gain.array() / spread);
        if (output.norm().centres()) {
            const Eigen::VectorXf means = weight_.rowwise().mean();
            weight_.colwise() -= means;
        }
        weight_ = weight_.array().rowwise() * scale.array();
        const auto rows = static_cast<Eigen::Index>(batch);
        x_.resize(rows, d);
        residual_.resize(rows, weight_.rows());
        parts_.resize((batch + targets::part_rows - 1) / targets::part_rows);
        slopes_.resize(static_cast<std::size_t>((weight_.rows() + slope_rows - 1) / slope_rows));
    }

    [[nodiscard]] std::span<float> weights() noexcept {
        return {weight_.data(), static_cast<std::size_t>(weight_.size())};
    }

    /// Returns the sum of the rows' losses; for_each_part() then has their gradients.
    double residuals(std::span<const std::size_t> rows, executor& on) {
        rows_ = static_cast<Eigen::Index>(rows.size());
        const Eigen::Map<const Eigen::RowVectorXf> scale(scales_.data(), weight_.cols());
        for_each_part_of(rows.size(), targets::part_rows, on, [&](std::size_t p, std::size_t first, std::size_t count) {
            for (std::size_t i = first; i < first + count; ++i) {
                const Eigen::Map<const Eigen::RowVectorXf> h(seen_->hidden(exit_, rows[i]).data(), weight_.cols());
                x_.row(static_cast<Eigen::Index>(i)) = h.array() / scale.array();
            }
            const auto from = static_cast<Eigen::Index>(first);
            const auto n = static_cast<Eigen::Index>(count);
            parts_[p].logits.noalias() = x_.middleRows(from, n) * weight_.transpose();
            parts_[p].loss = targets_.to_slopes(rows.subspan(first, count), parts_[p].logits, parts_[p].room);
            residual_.middleRows(from, n) = parts_[p].logits / static_cast<float>(rows_);
        });
        double loss = 0.0;
        const std::size_t used = (rows.size() + targets::part_rows - 1) / targets::part_rows;
        for (std::size_t p = 0; p < used; ++p) loss += parts_[p].loss;
        return loss;
    }

    /// Calls body(index of the first weight, weights, gradients of the mean loss in them), on any threads; it may
    /// change the weights.
    template <class Body>
    void for_each_part(executor& on, Body body) {
        on.run(slopes_.size(), [&](std::size_t p) {
            const Eigen::Index first = static_cast<Eigen::Index>(p) * slope_rows;
            const Eigen::Index count = std::min(slope_rows, weight_.rows() - first);
            float_rows& slope = slopes_[p];
            slope.noalias() = residual_.block(0, first, rows_, count).transpose() * x_.topRows(rows_);
            const auto size = static_cast<std::size_t>(slope.size());
            body(static_cast<std::size_t>(first * weight_.cols()),
                 weights().subspan(static_cast<std::size_t>(first * weight_.cols()), size),
                 std::span<const float>(slope.data(), size));
        });
    }

private:
    static constexpr Eigen::Index slope_rows = 512;

    struct part {
        float_rows logits, room;
        double loss = 0.0;
    };

    const calibration_set* seen_;
    targets targets_;
    std::size_t exit_;
    std::vector<float> scales_;
    float_rows weight_;
    float_rows x_;
    float_rows residual_;
    Eigen::Index rows_ = 0;
    std::vector<part> parts_;
    std::vector<float_rows> slopes_;
};

}  // namespace detail
}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
