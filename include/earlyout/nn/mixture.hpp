// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_MIXTURE_HPP
#define EARLYOUT_NN_MIXTURE_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/kernels/softmax.hpp>
#include <earlyout/kernels/top_k.hpp>
#include <earlyout/nn/feed_forward.hpp>
#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// How the weights of the chosen experts follow from the router's logits.
enum class expert_weighting : std::uint8_t {
    softmax_of_all,    ///< their part of the softmax over all experts, which adds up to less than 1 (OLMoE)
    softmax_of_chosen  ///< the softmax over the chosen ones alone (Mixtral; elsewhere `norm_topk_prob`)
};

/// The sizes of a mixture of experts and how it mixes.
struct mixture_shape {
    std::size_t d_model = 0;
    std::size_t experts = 0;         ///< 0: the shared expert alone, which is a dense feed-forward
    std::size_t active_experts = 0;  ///< that a token chooses, unless it has a number of its own
    std::size_t d_expert = 0;        ///< width of an expert
    std::size_t d_shared = 0;        ///< width of the expert that every token runs through; 0: there is none
    bool gates_shared = false;       ///< the shared expert's output is multiplied by a sigmoid (Qwen2-MoE)
    expert_weighting weighting = expert_weighting::softmax_of_chosen;
};

/// Computes y = sum over the k experts e with the largest router logits of w_e FFN_e(x), plus the shared expert if
/// there is one, sigmoid(v x) FFN_shared(x) (Shazeer et al., 2017; Jiang et al., 2024, "Mixtral of Experts"). Experts
/// are gated feed-forwards; of equal logits the expert of the lower index is chosen; the router computes in f32.
///
/// Only chosen experts are read. A block of tokens is grouped by expert, so that each is read once for all tokens that
/// chose it. A token's terms are added in the order of the experts, whichever others are in the block.
template <class Format = f32, model_shape Shape = model_shape{}>
class mixture {
public:
    using expert = gated_feed_forward<Format, model_shape{.d_model = Shape.d_model}>;

    mixture() = default;
    /// Makes all-zero weights, to be filled through router(), experts() and shared().
    mixture(const mixture_shape& shape, activation f, Format format = {}, weight_arena* arena = nullptr)
        : shape_(shape) {
        const auto make = [&](std::size_t width) {
            return expert(model_shape{.d_model = shape.d_model, .d_ff = width, .gated = true}, f, format, arena);
        };
        if (shape.d_shared != 0) shared_.emplace(make(shape.d_shared));
        if (shape.experts == 0) return;
        router_ = linear<f32, Shape.d_model>(shape.experts + (shape.gates_shared ? 1 : 0), shape.d_model, "router", {},
                                             arena);
        experts_.reserve(shape.experts);
        for (std::size_t e = 0; e < shape.experts; ++e) experts_.push_back(make(shape.d_expert));
    }

    [[nodiscard]] const mixture_shape& shape() const noexcept { return shape_; }
    /// Returns the router, [experts, d_model]; a further row is v, the shared expert's gate.
    [[nodiscard]] linear<f32, Shape.d_model>& router() noexcept { return router_; }
    [[nodiscard]] std::span<expert> experts() noexcept { return experts_; }
    /// Returns the shared expert, if there is one.
    [[nodiscard]] std::optional<expert>& shared() noexcept { return shared_; }

    /// Runs the layer. normed, update: [tokens, d_model].
    void operator()(std::span<const layer_token> tokens, matrix_view<const float> normed, matrix_view<float> update,
                    run_context& context) const {
        if (shared_) (*shared_)(normed, update, context);
        if (experts_.empty()) return;
        scratch_frame frame(context.scratch());
        const matrix_view<float> weights = frame.matrix(normed.rows(), router_.out());
        router_(normed, weights, context);
        const std::span<token_id> chosen = frame.take<token_id>(2 * shape_.experts);
        const std::span<float> kept = frame.take<float>(shape_.experts);
        for (std::size_t i = 0; i < normed.rows(); ++i) {
            const std::size_t wanted = tokens[i].active_experts;
            const std::size_t k = std::min(wanted != 0 ? wanted : shape_.active_experts, shape_.experts);
            weigh(std::span(weights.row(i), shape_.experts), k, chosen, kept);
            start(weights.row(i), update.row(i));
        }
        const std::span<std::uint32_t> rows = frame.take<std::uint32_t>(normed.rows());
        const matrix_view<float> inputs = frame.matrix(normed.rows(), shape_.d_model);
        const matrix_view<float> outputs = frame.matrix(normed.rows(), shape_.d_model);
        for (std::size_t e = 0; e < shape_.experts; ++e) {
            std::size_t count = 0;
            for (std::size_t i = 0; i < normed.rows(); ++i) {
                if (is_chosen(weights.row(i)[e])) rows[count++] = static_cast<std::uint32_t>(i);
            }
            if (count != 0) run(e, rows.first(count), weights, normed, inputs, outputs.rows(0, count), update, context);
        }
    }

    /// Returns the bytes of scratch memory that `tokens` tokens take.
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens) const noexcept {
        const std::size_t shared = shared_ ? shared_->scratch_bytes(tokens) : 0;
        if (experts_.empty()) return shared;
        return earlyout::scratch_bytes<float>(tokens * router_.out()) +
               earlyout::scratch_bytes<token_id>(2 * shape_.experts) + earlyout::scratch_bytes<float>(shape_.experts) +
               earlyout::scratch_bytes<std::uint32_t>(tokens) +
               2 * earlyout::scratch_bytes<float>(tokens * shape_.d_model) +
               std::max({shared, router_.scratch_bytes(tokens), experts_.front().scratch_bytes(tokens)});
    }
    void visit_matrices(matrix_visitor visit) const {
        if (!experts_.empty()) router_.visit_matrices(visit);
        if (shared_) shared_->visit_matrices(visit);
        for (const expert& one : experts_) one.visit_matrices(visit);
    }
    /// Returns the weight bytes that one token reads, with as many experts as the model's own.
    [[nodiscard]] std::size_t bytes() const noexcept {
        const std::size_t shared = shared_ ? shared_->bytes() : 0;
        if (experts_.empty()) return shared;
        return shared + router_.bytes() + shape_.active_experts * experts_.front().bytes();
    }
    /// Returns the bytes of all weights.
    [[nodiscard]] std::size_t stored_bytes() const noexcept {
        if (experts_.empty()) return bytes();
        return bytes() + (shape_.experts - shape_.active_experts) * experts_.front().bytes();
    }
    [[nodiscard]] const char* format_name() const noexcept {
        return shared_ ? shared_->format_name() : experts_.front().format_name();
    }

private:
    // Weights are never below 0; a NaN of the router, which the token's row then gets, is none of the marks.
    static constexpr float not_chosen = -1.0f;
    [[nodiscard]] static bool is_chosen(float weight) noexcept { return !(weight < 0.0f); }

    /// Replaces the logits of the k largest by their experts' weights, the others by `not_chosen`.
    void weigh(std::span<float> logits, std::size_t k, std::span<token_id> chosen,
               std::span<float> kept) const noexcept {
        kernels::find_top_k(logits.data(), logits.size(), k, chosen.first(2 * k));
        const bool of_all = shape_.weighting == expert_weighting::softmax_of_all;
        if (of_all) kernels::softmax(logits.data(), logits.size());
        for (std::size_t i = 0; i < k; ++i) kept[i] = logits[static_cast<std::size_t>(chosen[i])];
        if (!of_all) kernels::softmax(kept.data(), k);
        std::ranges::fill(logits, not_chosen);
        for (std::size_t i = 0; i < k; ++i) logits[static_cast<std::size_t>(chosen[i])] = kept[i];
    }
    /// Makes the sum that experts are added to: the shared expert's term or 0.
    void start(const float* weights, float* update) const noexcept {
        if (!shared_) {
            std::fill_n(update, shape_.d_model, 0.0f);
        } else if (shape_.gates_shared) {
            const float gate = 1.0f / (1.0f + std::exp(-weights[shape_.experts]));
            for (std::size_t k = 0; k < shape_.d_model; ++k) update[k] *= gate;
        }
    }
    /// Adds an expert's terms to the rows that chose it.
    void run(std::size_t e, std::span<const std::uint32_t> rows, matrix_view<const float> weights,
             matrix_view<const float> normed, matrix_view<float> inputs, matrix_view<float> outputs,
             matrix_view<float> update, run_context& context) const {
        const std::size_t count = rows.size(), d = shape_.d_model;
        if (rows.back() - rows.front() + 1 == count) {  // neighbours need no copy
            experts_[e](normed.rows(rows.front(), count), outputs, context);
        } else {
            for (std::size_t j = 0; j < count; ++j) std::copy_n(normed.row(rows[j]), d, inputs.row(j));
            experts_[e](inputs.rows(0, count), outputs, context);
        }
        const std::size_t grain = 1 + (std::size_t{1} << 13) / (d + 1);
        parallel_for(context.threads(), count, grain, [&](std::size_t, std::size_t begin, std::size_t end) {
            for (std::size_t j = begin; j < end; ++j) {
                const float weight = weights.row(rows[j])[e];
                const float* const from = outputs.row(j);
                float* const row = update.row(rows[j]);
                for (std::size_t k = 0; k < d; ++k) row[k] += weight * from[k];
            }
        });
    }

    mixture_shape shape_;
    linear<f32, Shape.d_model> router_;
    std::vector<expert> experts_;
    std::optional<expert> shared_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
