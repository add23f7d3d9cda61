// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_FIT_LINEAR_HPP
#define EARLYOUT_CALIBRATE_FIT_LINEAR_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/exit_weights.hpp>

#include <LBFGS.h>
#include <Eigen/Cholesky>
#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Rows, each with a class: what one exit contributes to a fit.
struct labelled_rows {
    std::span<const float> rows;          ///< [count, inputs]
    std::span<const std::uint8_t> label;  ///< [count], below the number of classes
    double weight = 1.0;                  ///< of each row, relative to those of other parts
};

struct linear_fit_options {
    bool bias = true;
    double penalty = 1e-4;  ///< times half the squared weights of the whitened inputs
    std::size_t max_steps = 200;
    double tolerance = 1e-5;  ///< of the gradient's norm, relative
};

/// A fitted linear map and its loss on the rows it was fitted to.
struct fitted_linear {
    std::size_t outputs = 0;
    std::size_t inputs = 0;
    std::vector<float> weight;  ///< [outputs, inputs]
    std::vector<float> bias;    ///< [outputs], or empty
    double loss_before = 0.0;   ///< nats: all classes equally likely
    double loss = 0.0;          ///< nats, mean over the weighted rows
    std::size_t steps = 0;

    [[nodiscard]] linear_weights view() const noexcept { return {outputs, inputs, weight, bias}; }
};

namespace detail {

using row_matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using row_matrix_f = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Whitens the inputs: z = A (x - mean) has unit covariance. Residual streams have a few directions that are hundreds
/// of times larger than the others, and a quasi-Newton method would spend its steps on them.
struct whitening {
    Eigen::VectorXd mean;  // 0 without a bias to absorb it
    row_matrix a;          // lower triangular

    whitening(std::span<const labelled_rows> parts, std::size_t inputs, bool centred) {
        constexpr std::size_t enough = 50'000;  // rows used for the moments
        std::size_t total = 0;
        for (const labelled_rows& part : parts) total += part.label.size();
        const std::size_t every = std::max<std::size_t>(1, total / enough);
        const auto d = static_cast<Eigen::Index>(inputs);
        mean = Eigen::VectorXd::Zero(d);
        row_matrix moment = row_matrix::Zero(d, d);
        double count = 0.0;
        row_matrix block;
        for (const labelled_rows& part : parts) {
            const auto rows = static_cast<Eigen::Index>((part.label.size() + every - 1) / every);
            if (rows == 0) continue;
            const Eigen::Map<const row_matrix_f, 0, Eigen::OuterStride<>> x(
                part.rows.data(), rows, d, Eigen::OuterStride<>(d * static_cast<Eigen::Index>(every)));
            block = x.cast<double>();
            mean += block.colwise().sum().transpose();
            moment.template selfadjointView<Eigen::Lower>().rankUpdate(block.transpose());
            count += static_cast<double>(rows);
        }
        mean /= count;
        moment /= count;
        row_matrix covariance = moment.template selfadjointView<Eigen::Lower>();
        if (centred) {
            covariance -= mean * mean.transpose();
        } else {
            mean.setZero();
        }
        covariance.diagonal().array() += 1e-6 * covariance.trace() / static_cast<double>(d) + 1e-12;
        const Eigen::LLT<row_matrix> factor(covariance);
        a = factor.matrixL().solve(row_matrix::Identity(d, d));
    }
};

/// Mean weighted log loss of a softmax over `free` classes, or of a sigmoid of one number, as LBFGS++ wants it. The
/// variables are the weights of the whitened inputs, [outputs, inputs], then the biases.
class log_loss {
public:
    log_loss(std::span<const labelled_rows> parts, std::size_t inputs, std::size_t outputs,
             const linear_fit_options& options)
        : parts_(parts),
          d_(static_cast<Eigen::Index>(inputs)),
          outputs_(static_cast<Eigen::Index>(outputs)),
          options_(options),
          whitening_(parts, inputs, options.bias) {
        for (const labelled_rows& part : parts) total_ += part.weight * static_cast<double>(part.label.size());
    }

    [[nodiscard]] Eigen::Index variables() const { return outputs_ * (d_ + (options_.bias ? 1 : 0)); }

    double operator()(const Eigen::VectorXd& at, Eigen::VectorXd& gradient) {
        const Eigen::Map<const row_matrix> v(at.data(), outputs_, d_);
        row_matrix_f w;
        Eigen::VectorXf b;
        weights(at, w, b);
        row_matrix slope = row_matrix::Zero(outputs_, d_);
        Eigen::VectorXd slope_b = Eigen::VectorXd::Zero(outputs_);
        double loss = 0.0;
        for (const labelled_rows& part : parts_) {
            for (std::size_t begin = 0; begin < part.label.size(); begin += block) {
                const std::size_t count = std::min(block, part.label.size() - begin);
                const Eigen::Map<const row_matrix_f> x(part.rows.data() + begin * static_cast<std::size_t>(d_),
                                                       static_cast<Eigen::Index>(count), d_);
                residual_.noalias() = x * w.transpose();
                residual_.rowwise() += b.transpose();
                loss += part.weight * to_residuals(part.label.subspan(begin, count));
                slope += part.weight * (residual_.transpose() * x).template cast<double>();
                slope_b += part.weight * residual_.colwise().sum().transpose().template cast<double>();
            }
        }
        slope -= slope_b * whitening_.mean.transpose();
        Eigen::Map<row_matrix>(gradient.data(), outputs_, d_) =
            slope * whitening_.a.transpose() / total_ + options_.penalty * v;
        if (options_.bias) gradient.tail(outputs_) = slope_b / total_;
        last_ = loss / total_;
        return last_ + 0.5 * options_.penalty * v.squaredNorm();
    }

    /// Returns weights and biases for the original inputs, from those for the whitened ones.
    void weights(const Eigen::VectorXd& at, row_matrix_f& w, Eigen::VectorXf& b) const {
        const row_matrix wide = Eigen::Map<const row_matrix>(at.data(), outputs_, d_) * whitening_.a;
        w = wide.cast<float>();
        b = Eigen::VectorXf::Zero(outputs_);
        if (options_.bias) b = (at.tail(outputs_) - wide * whitening_.mean).cast<float>();
    }

    /// Returns the loss without the penalty at the last point evaluated.
    [[nodiscard]] double last_loss() const noexcept { return last_; }

private:
    static constexpr std::size_t block = 2048;

    /// Turns logits into probabilities minus targets, row by row; returns the sum of the rows' losses.
    double to_residuals(std::span<const std::uint8_t> label) {
        double loss = 0.0;
        for (Eigen::Index i = 0; i < residual_.rows(); ++i) {
            const auto truth = static_cast<Eigen::Index>(label[static_cast<std::size_t>(i)]);
            if (outputs_ == 1) {
                const float x = residual_(i, 0);
                // log(1 + e^-|x|) + max(0, -x or x): no overflow on either side
                loss += static_cast<double>(std::log1p(std::exp(-std::abs(x))) + std::max(0.0f, truth == 1 ? -x : x));
                residual_(i, 0) = 1.0f / (1.0f + std::exp(-x)) - static_cast<float>(truth);
            } else {
                const float at_truth = residual_(i, truth);
                const float most = residual_.row(i).maxCoeff();
                residual_.row(i) = (residual_.row(i).array() - most).exp();
                const float sum = residual_.row(i).sum();
                loss += static_cast<double>(std::log(sum) + most - at_truth);
                residual_.row(i) /= sum;
                residual_(i, truth) -= 1.0f;
            }
        }
        return loss;
    }

    std::span<const labelled_rows> parts_;
    Eigen::Index d_;
    Eigen::Index outputs_;
    linear_fit_options options_;
    whitening whitening_;
    row_matrix_f residual_;
    double total_ = 0.0;
    double last_ = 0.0;
};

inline void check_rows(std::span<const labelled_rows> parts, std::size_t inputs, std::size_t classes) {
    std::size_t total = 0;
    for (const labelled_rows& part : parts) {
        if (part.rows.size() != part.label.size() * inputs) {
            fail(errc::wrong_shape, "fit: expected ", part.label.size(), " rows of ", inputs, " numbers, found ",
                 part.rows.size(), " numbers");
        }
        for (const std::uint8_t label : part.label) {
            if (label >= classes) {
                fail(errc::out_of_range, "fit: expected labels below ", classes, ", found ", int{label});
            }
        }
        for (const float x : part.rows) {
            if (!std::isfinite(x)) fail(errc::wrong_value, "fit: expected finite numbers, found ", x);
        }
        total += part.label.size();
    }
    if (total == 0 || inputs == 0) fail(errc::invalid_argument, "fit: expected rows to fit to, found none");
}

}  // namespace detail

/// Fits a linear map to classes by maximum likelihood: softmax(W x + b), or for two classes sigmoid(w . x + b) of one
/// output, the probability of class 1. Convex; solved by L-BFGS on whitened inputs. Uses no more memory than the rows
/// and a few [inputs, inputs] matrices.
/// @param classes 2 or more
/// @throws error (wrong_shape, wrong_value, out_of_range, invalid_argument)
[[nodiscard]] inline fitted_linear fit_linear(std::span<const labelled_rows> parts, std::size_t inputs,
                                              std::size_t classes, const linear_fit_options& options = {}) try {
    if (classes < 2) fail(errc::invalid_argument, "fit: expected at least 2 classes, found ", classes);
    detail::check_rows(parts, inputs, classes);
    const std::size_t outputs = classes == 2 ? 1 : classes;
    detail::log_loss loss(parts, inputs, outputs, options);
    LBFGSpp::LBFGSParam<double> settings;
    settings.epsilon = settings.epsilon_rel = options.tolerance;
    settings.max_iterations = static_cast<int>(options.max_steps);
    settings.past = 3;  // also ends when the last three steps barely improved the loss
    settings.delta = 1e-7;
    LBFGSpp::LBFGSSolver<double> solver(settings);
    Eigen::VectorXd at = Eigen::VectorXd::Zero(loss.variables());
    double value = 0.0;
    fitted_linear made{.outputs = outputs, .inputs = inputs, .weight = {}, .bias = {}};
    made.loss_before = std::log(static_cast<double>(classes));
    try {
        made.steps = static_cast<std::size_t>(solver.minimize(loss, at, value));
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception&) {
        // The line search found no better point: rounding, at the minimum. The result is kept if it beats chance.
    }
    Eigen::VectorXd gradient(loss.variables());
    (void)loss(at, gradient);
    made.loss = loss.last_loss();
    if (!(made.loss <= made.loss_before * (1.0 + 1e-9))) {
        fail(errc::wrong_value, "fit: did not converge: the loss is ", made.loss, ", that of chance ",
             made.loss_before);
    }
    detail::row_matrix_f w;
    Eigen::VectorXf b;
    loss.weights(at, w, b);
    made.weight.assign(w.data(), w.data() + w.size());
    if (options.bias) made.bias.assign(b.data(), b.data() + b.size());
    return made;
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
