// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_FIT_HEADS_HPP
#define EARLYOUT_CALIBRATE_FIT_HEADS_HPP

#include <earlyout/calibrate/adam.hpp>
#include <earlyout/calibrate/calibration_set.hpp>
#include <earlyout/calibrate/detail/head_loss.hpp>
#include <earlyout/calibrate/kept_results.hpp>
#include <earlyout/calibrate/monitor.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/core/function_ref.hpp>
#include <earlyout/exit/exit_weights.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

struct head_fit_options {
    head_target target = head_target::full_depth;
    std::size_t rank = 16;  ///< of adapters
    std::size_t epochs = 2;
    std::size_t batch = 256;      ///< tokens per step
    float learning_rate = 2e-3f;  ///< of the first step; decays linearly to 0
    std::uint64_t seed = 1;       ///< of the order of tokens and of an adapter's initial weights
};

/// A head fitted to one exit.
struct fitted_head {
    std::size_t layer = 0;
    std::size_t d_model = 0;
    std::size_t rank = 0;       ///< of an adapter; 0: an output matrix
    std::vector<float> down;    ///< [rank, d_model]
    std::vector<float> up;      ///< [d_model, rank]
    std::vector<float> weight;  ///< [vocab, d_model]
    double first_loss = 0.0;    ///< nats per token, mean over the first tenth of the steps
    double last_loss = 0.0;     ///< ... over the last tenth

    void archive(auto& a) { a(layer, d_model, rank, down, up, weight, first_loss, last_loss); }
    /// Stores the tensors under the names that adapter_head and own_head read.
    void store(exit_weights& into) const {
        const std::string number = std::to_string(layer);
        if (rank != 0) {
            into.set("adapter." + number + ".down.weight", {rank, d_model}, down);
            into.set("adapter." + number + ".up.weight", {d_model, rank}, up);
        } else {
            into.set("head." + number + ".weight", {weight.size() / d_model, d_model}, weight);
        }
    }
};

namespace detail {

/// Shuffles tokens in an order that is the same on every platform.
inline void shuffle(std::vector<std::size_t>& order, std::mt19937_64& engine) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[engine() % i]);
}

/// Iterates over batches of tokens in random order, tracking the loss, until done or cancelled.
class batches {
public:
    batches(std::size_t tokens, const head_fit_options& options, std::uint64_t seed)
        : size_(std::min(options.batch, tokens)),
          steps_(std::max<std::size_t>(1, options.epochs * (tokens / size_))),
          order_(tokens),
          engine_(seed) {
        std::iota(order_.begin(), order_.end(), std::size_t{0});
    }

    [[nodiscard]] std::size_t steps() const noexcept { return steps_; }
    [[nodiscard]] std::mt19937_64& engine() noexcept { return engine_; }
    /// Returns 1 at the first step, falling towards 0 at the last.
    [[nodiscard]] float rate() const noexcept { return 1.0f - static_cast<float>(done_) / static_cast<float>(steps_); }

    /// Returns the tokens of the next step.
    [[nodiscard]] std::span<const std::size_t> next() {
        if (at_ == 0 || at_ + size_ > order_.size()) {
            shuffle(order_, engine_);
            at_ = 0;
        }
        const auto batch = std::span<const std::size_t>(order_).subspan(at_, size_);
        at_ += size_;
        return batch;
    }
    /// @param loss sum over the step's tokens
    void note(double loss, fitted_head& into) noexcept {
        const std::size_t tenth = std::max<std::size_t>(1, steps_ / 10);
        const double mean = loss / static_cast<double>(size_) / static_cast<double>(tenth);
        if (done_ < tenth) into.first_loss += mean;
        if (done_ + tenth >= steps_) into.last_loss += mean;
        ++done_;
    }

private:
    std::size_t size_;
    std::size_t steps_;
    std::vector<std::size_t> order_;
    std::mt19937_64 engine_;
    std::size_t at_ = 0;
    std::size_t done_ = 0;
};

/// Returns the root mean square of each dimension of the residual stream: otherwise its few huge dimensions would
/// dictate the step size.
[[nodiscard]] inline std::vector<float> scales_of(const calibration_set& seen, std::size_t exit) {
    std::vector<double> squares(seen.d_model());
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const std::span<const float> row = seen.hidden(exit, i);
        for (std::size_t k = 0; k < row.size(); ++k) {
            squares[k] += static_cast<double>(row[k]) * static_cast<double>(row[k]);
        }
    }
    std::vector<float> scales;
    for (const double sum : squares) {
        scales.push_back(static_cast<float>(std::sqrt(sum / static_cast<double>(seen.size())) + 1e-6));
    }
    return scales;
}

/// Returns the mean standard deviation within a row: the scale of the residual stream at that exit.
[[nodiscard]] inline float spread_of(const calibration_set& seen, std::size_t exit) {
    double sum = 0.0;
    const auto d = static_cast<Eigen::Index>(seen.d_model());
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const Eigen::Map<const Eigen::VectorXf> row(seen.hidden(exit, i).data(), d);
        sum += static_cast<double>(std::sqrt((row.array() - row.mean()).square().mean()));
    }
    return static_cast<float>(sum / static_cast<double>(seen.size()) + 1e-6);
}

inline void check_fit(const calibration_set& seen, const head_fit_options& options) {
    if (seen.size() == 0) fail(errc::invalid_argument, "fit heads: expected tokens to fit to, found none");
    if (options.batch == 0 || options.epochs == 0 || options.rank == 0 || options.rank > seen.d_model()) {
        fail(errc::invalid_argument, "fit heads: expected a batch and epochs of at least 1 and a rank of 1 .. ",
             seen.d_model(), ", found ", options.batch, ", ", options.epochs, " and ", options.rank);
    }
}

template <class Network>
[[nodiscard]] fitted_head fit_adapter(const dense_output<Network>& output, const calibration_set& seen,
                                      std::size_t exit, const head_fit_options& options, executor& on,
                                      const std::stop_token& cancel, function_ref<void()> step_done) {
    batches steps(seen.size(), options, options.seed * 1000003 + exit);
    const std::vector<float> scales = scales_of(seen, exit);
    const float spread = spread_of(seen, exit);
    adapter_loss<Network> loss(output, seen, exit, options.target, options.rank, options.batch, scales, spread);
    const auto d = static_cast<float>(seen.d_model());
    for (float& w : loss.down()) {
        w = (static_cast<float>(steps.engine()() >> 40) * 0x1p-23f - 1.0f) * std::sqrt(3.0f / d);  // of variance 1 / d
    }
    adam optimiser(loss.weights().size(), {.learning_rate = options.learning_rate});
    fitted_head made;
    made.layer = seen.layer(exit);
    made.d_model = seen.d_model();
    made.rank = options.rank;
    for (std::size_t s = 0; s < steps.steps() && !cancel.stop_requested(); ++s) {
        const float rate = steps.rate();
        const double found = loss.slopes(steps.next(), on);
        optimiser.start_step(rate);
        optimiser.update(0, loss.weights(), loss.slope());
        steps.note(found, made);
        step_done();
    }
    made.down.assign(loss.down().begin(), loss.down().end());
    made.up.assign(loss.up().begin(), loss.up().end());
    for (std::size_t i = 0; i < made.down.size(); ++i) made.down[i] /= scales[i % seen.d_model()];
    for (float& w : made.up) w *= spread;
    return made;
}

template <class Network>
[[nodiscard]] fitted_head fit_own(const dense_output<Network>& output, const calibration_set& seen, std::size_t exit,
                                  const head_fit_options& options, executor& on, const std::stop_token& cancel,
                                  function_ref<void()> step_done) {
    batches steps(seen.size(), options, options.seed * 1000003 + exit);
    const std::vector<float> scales = scales_of(seen, exit);
    own_loss<Network> loss(output, seen, exit, options.target, options.batch, scales, spread_of(seen, exit));
    adam optimiser(loss.weights().size(), {.learning_rate = options.learning_rate});
    fitted_head made;
    made.layer = seen.layer(exit);
    made.d_model = seen.d_model();
    for (std::size_t s = 0; s < steps.steps() && !cancel.stop_requested(); ++s) {
        const float rate = steps.rate();
        const double found = loss.residuals(steps.next(), on);
        optimiser.start_step(rate);
        loss.for_each_part(on, [&](std::size_t first, std::span<float> weights, std::span<const float> slopes) {
            optimiser.update(first, weights, slopes);
        });
        steps.note(found, made);
        step_done();
    }
    made.weight.assign(loss.weights().begin(), loss.weights().end());
    for (std::size_t i = 0; i < made.weight.size(); ++i) made.weight[i] /= scales[i % seen.d_model()];
    return made;
}

}  // namespace detail

/// Selects which heads to fit.
enum class head_kind { adapter, own };

/// Fits a head to every exit but full depth, the backbone frozen: an adapter's two halves, or an output matrix
/// (initialised with the model's own, its final norm made linear; the SEC paper's loss, the sum of the heads' cross
/// entropies, separates into one per head, since they share no weights). Uses Adam over batches in random order, one
/// exit after the other. Allocates 4 batch vocab floats, a dense output matrix and, for an output matrix, 4 vocab
/// d_model more. The same seed gives the same weights, on any number of threads.
/// @return nothing when cancelled
/// @throws error (invalid_argument)
template <class Network>
[[nodiscard]] std::optional<std::vector<fitted_head>> fit_heads(const Network& network, const calibration_set& seen,
                                                                head_kind kind, const head_fit_options& options,
                                                                executor& on, const monitor& watch = {}) try {
    detail::check_fit(seen, options);
    const detail::dense_output<Network> output(network);
    const std::size_t exits = seen.exit_count() - 1;
    const std::size_t steps = detail::batches(seen.size(), options, 0).steps();
    std::vector<fitted_head> made;
    for (std::size_t exit = 0; exit < exits; ++exit) {
        std::size_t done = exit * steps;
        const auto step_done = [&] { watch.report("fitting heads", ++done, exits * steps); };
        made.push_back(shared_or_computed(watch, "head after layer " + std::to_string(seen.layer(exit)), [&] {
            return kind == head_kind::adapter
                       ? detail::fit_adapter(output, seen, exit, options, on, watch.cancel, step_done)
                       : detail::fit_own(output, seen, exit, options, on, watch.cancel, step_done);
        }));
        if (watch.is_cancelled()) return std::nullopt;
    }
    return made;
} catch (...) {
    earlyout::detail::rethrow_as_error("fit");
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
