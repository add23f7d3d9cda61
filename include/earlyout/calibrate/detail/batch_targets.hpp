// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_DETAIL_BATCH_TARGETS_HPP
#define EARLYOUT_CALIBRATE_DETAIL_BATCH_TARGETS_HPP

#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/nn/normalization.hpp>

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Target that a head is fitted to.
enum class head_target {
    full_depth,  ///< full depth's distribution: minimises the KL divergence from it ("distillation")
    truth        ///< the next token of the text: minimises the cross entropy
};

namespace detail {

using float_rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using float_rows_view = Eigen::Map<float_rows>;
using const_float_rows_view = Eigen::Map<const float_rows>;

/// Returns the gradient with respect to x, given that with respect to z = norm(x), for a layer norm or an RMS norm. x,
/// slope, out: [d_model]
template <class Norm>
void norm_backward(const Norm& norm, const float* x, const float* slope, float* out) {
    const std::span<const float> gain = norm.weight();
    const auto d = static_cast<Eigen::Index>(gain.size());
    const Eigen::Map<const Eigen::ArrayXf> row(x, d), at_z(slope, d), g(gain.data(), d);
    const Eigen::ArrayXf centred = row - (norm.centres() ? row.mean() : 0.0f);
    const float inverse = 1.0f / std::sqrt(centred.square().mean() + norm.epsilon());
    const Eigen::ArrayXf unit = centred * inverse;
    const Eigen::ArrayXf at_unit = g * at_z;
    Eigen::Map<Eigen::ArrayXf>(out, d) =
        inverse * (at_unit - (norm.centres() ? at_unit.mean() : 0.0f) - unit * (at_unit * unit).mean());
}

/// The model's final norm and output matrix, the matrix row-major in f32.
template <class Network>
class dense_output {
public:
    explicit dense_output(const Network& network) : network_(&network) {
        if constexpr (requires { network.logit_cap(); }) {
            if (network.logit_cap() != 0.0f) {
                fail(errc::unsupported, "fitting heads: expected a model whose logits are not limited, found a cap of ",
                     network.logit_cap());
            }
        }
        const auto& weight = network.output().weight();
        matrix_.resize(static_cast<Eigen::Index>(weight.out()), static_cast<Eigen::Index>(weight.in()));
        for (std::size_t r = 0; r < weight.out(); ++r)
            weight.copy_row(r, matrix_.row(static_cast<Eigen::Index>(r)).data());
    }
    [[nodiscard]] const float_rows& matrix() const noexcept { return matrix_; }
    [[nodiscard]] const auto& norm() const noexcept { return network_->final_norm(); }

private:
    const Network* network_;
    float_rows matrix_;
};

/// Computes targets and losses of batches of logits. The rows of a batch are cut into parts of a fixed size, so that
/// sums do not depend on the number of threads.
template <class Network>
class batch_targets {
public:
    static constexpr std::size_t part_rows = 32;

    batch_targets(const dense_output<Network>& output, const calibration_set& seen, head_target target)
        : output_(&output), seen_(&seen), target_(target) {}

    /// Turns logits into the gradient of their loss, softmax - target; returns the sum of the rows' losses in nats: KL
    /// divergence, or cross entropy. logits: [rows, vocab]
    /// @param room scratch for full depth's probabilities, of the same shape
    double to_slopes(std::span<const std::size_t> rows, float_rows& logits, float_rows& room) const {
        double loss = 0.0;
        if (target_ == head_target::full_depth) {
            float_rows normed(static_cast<Eigen::Index>(rows.size()), output_->matrix().cols());
            for (std::size_t i = 0; i < rows.size(); ++i) {
                const float* deep = seen_->hidden(seen_->exit_count() - 1, rows[i]).data();
                output_->norm()(deep, normed.row(static_cast<Eigen::Index>(i)).data());
            }
            room.noalias() = normed * output_->matrix().transpose();
        }
        for (std::size_t i = 0; i < rows.size(); ++i) {
            auto row = logits.row(static_cast<Eigen::Index>(i));
            if (target_ == head_target::truth) {
                const auto truth = static_cast<Eigen::Index>(seen_->truth(rows[i]));
                const float at_truth = row(truth);
                loss += static_cast<double>(softmax(row) - at_truth);
                row(truth) -= 1.0f;
            } else {
                auto wanted = room.row(static_cast<Eigen::Index>(i));
                const double deep_mean = mean_after_softmax(wanted);  // of log p under p
                const float expected = wanted.dot(row);
                loss += deep_mean + static_cast<double>(softmax(row) - expected);
                row -= wanted;
            }
        }
        return loss;
    }

private:
    /// Applies softmax in place; returns log sum exp.
    template <class Row>
    static float softmax(Row& row) {
        const float most = row.maxCoeff();
        row = (row.array() - most).exp();
        const float sum = row.sum();
        row /= sum;
        return std::log(sum) + most;
    }
    /// Applies softmax in place; returns sum p log p.
    template <class Row>
    static double mean_after_softmax(Row& row) {
        const float most = row.maxCoeff();
        row.array() -= most;
        const Eigen::RowVectorXf shifted = row;
        const float log_sum = softmax(row);
        return static_cast<double>(row.dot(shifted) - log_sum);
    }

    const dense_output<Network>* output_;
    const calibration_set* seen_;
    head_target target_;
};

/// Calls body(part, first row, rows) for each part of a batch.
template <class Body>
void for_each_part_of(std::size_t rows, std::size_t part_rows, executor& on, Body body) {
    on.run((rows + part_rows - 1) / part_rows,
           [&](std::size_t part) { body(part, part * part_rows, std::min(part_rows, rows - part * part_rows)); });
}

}  // namespace detail

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
