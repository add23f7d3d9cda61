// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_ATTENTION_HPP
#define EARLYOUT_NN_ATTENTION_HPP

#include <earlyout/nn/cached_attention.hpp>
#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Leaves queries and keys unchanged: positions are part of the hidden states.
struct no_positions {
    void operator()(std::size_t, float*, std::size_t, float*, std::size_t, std::size_t) const noexcept {}
    [[nodiscard]] std::size_t bytes() const noexcept { return 0; }
};

/// Leaves the scores before the softmax as they are.
struct plain_scores {
    [[nodiscard]] static constexpr float cap() noexcept { return 0.0f; }
};
/// Limits them: limit * tanh(score / limit); 0 does not (Gemma 2).
struct capped_scores {
    float limit = 0.0f;
    [[nodiscard]] float cap() const noexcept { return limit; }
};
/// Adds a learned score for each head to the sum that weights are divided by, so that a head may look at nothing: an
/// attention sink (gpt-oss).
struct scores_with_sinks {
    std::vector<float> sinks;  ///< [heads]
    [[nodiscard]] static constexpr float cap() noexcept { return 0.0f; }
};

/// Causal self-attention: every query sees the cache entries at its own position and before, or the last `window` of
/// them. Query heads share key-value heads in groups of heads / kv_heads.
/// @tparam Positions transforms a token's queries and keys before they are used: no_positions, rotary, normed_heads,
///                   normed_projections;
///                   called as positions(position, queries, heads, keys, kv_heads, head_dim)
/// @tparam Scores    plain_scores, capped_scores, scores_with_sinks
template <class Format = f32, model_shape Shape = model_shape{}, class Positions = no_positions,
          class Scores = plain_scores>
class self_attention {
public:
    self_attention() = default;
    /// Makes all-zero weights, to be filled through query_key_value() and output().
    /// @param scale  factor on the scores before the softmax, usually 1 / sqrt(head_dim)
    /// @param window max positions visible to a query, its own included; 0: all
    self_attention(const model_shape& shape, float scale, Format format = {}, weight_arena* arena = nullptr,
                   Positions positions = {}, std::size_t window = 0, Scores scores = {})
        : positions_(std::move(positions)),
          heads_(shape.heads),
          kv_heads_(shape.kv_heads),
          head_dim_(shape.head_dim, "head_dim"),
          cached_(shape.heads, shape.kv_heads, head_dim_, scale, window, scores.cap(), sinks_of(scores)),
          key_column_(round_up(shape.d_query(), kernels::panel_rows)),
          d_kv_(shape.d_kv()),
          query_key_value_(key_column_ + 2 * d_kv_, shape.d_model, "attention input", format, arena),
          output_(shape.d_model, shape.d_query(), "attention output", format, arena) {}

    /// Returns q, k and v in one matrix: rows [0, d_query) are q, the rows from key_row() on k and then v. Keys begin a
    /// panel, so that a skipped layer reads only keys and values.
    [[nodiscard]] linear<Format, Shape.d_model>& query_key_value() noexcept { return query_key_value_; }
    [[nodiscard]] std::size_t key_row() const noexcept { return key_column_; }
    [[nodiscard]] std::size_t value_row() const noexcept { return key_column_ + d_kv_; }
    [[nodiscard]] linear<Format, Shape.heads * Shape.head_dim>& output() noexcept { return output_; }

    /// Appends the tokens' keys and values to their caches, then attends.
    /// @param normed [tokens, d_model]
    /// @param update [tokens, d_model], what to add to the residual stream
    void operator()(std::size_t layer, std::span<const layer_token> tokens, matrix_view<const float> normed,
                    matrix_view<float> update, run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> projected = frame.matrix(tokens.size(), query_key_value_.out());
        query_key_value_(normed, projected, context);
        append(layer, tokens, projected, heads_, context);

        const matrix_view<float> attended = frame.matrix(tokens.size(), output_.in());
        cached_(layer, tokens, projected, attended, context);
        output_(attended, update, context);
    }

    /// Appends the tokens' keys and values to their caches, and computes nothing else.
    void update_kv_only(std::size_t layer, std::span<const layer_token> tokens, matrix_view<const float> normed,
                        run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> projected = frame.matrix(tokens.size(), query_key_value_.out());
        query_key_value_.rows_from(key_column_, normed, projected, context);
        append(layer, tokens, projected, 0, context);
    }

    [[nodiscard]] std::size_t d_model() const noexcept { return output_.out(); }
    /// Returns the bytes of scratch memory that `tokens` tokens take.
    /// @param pieces run_context::pieces()
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens, std::size_t pieces) const noexcept {
        return earlyout::scratch_bytes<float>(tokens * query_key_value_.out()) +
               earlyout::scratch_bytes<float>(tokens * output_.in()) +
               std::max({query_key_value_.scratch_bytes(tokens), cached_.scratch_bytes(pieces),
                         output_.scratch_bytes(tokens)});
    }
    void visit_matrices(matrix_visitor visit) const {
        query_key_value_.visit_matrices(visit);
        output_.visit_matrices(visit);
    }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return positions_.bytes() + query_key_value_.bytes() + cached_.bytes() + output_.bytes();
    }
    /// Returns the weight bytes that update_kv_only() reads.
    [[nodiscard]] std::size_t update_kv_bytes() const noexcept {
        const auto& weight = query_key_value_.weight();
        return positions_.bytes() + weight.bytes_from(key_column_ / kernels::panel_rows) + 2 * d_kv_ * sizeof(float);
    }

private:
    [[nodiscard]] static std::vector<float> sinks_of(const Scores& scores) {
        if constexpr (requires { scores.sinks; }) {
            return scores.sinks;
        } else {
            return {};
        }
    }
    /// Applies positions to the queries of `heads` heads and the keys; keys and values are stored in the caches.
    void append(std::size_t layer, std::span<const layer_token> tokens, matrix_view<float> projected, std::size_t heads,
                run_context& context) const {
        context.count_bytes(positions_.bytes());
        const std::size_t grain = 1 + (std::size_t{1} << 13) / ((heads + kv_heads_) * head_dim_);
        parallel_for(context.threads(), tokens.size(), grain, [&](std::size_t, std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                float* const row = projected.row(i);
                positions_(tokens[i].position, row, heads, row + key_column_, kv_heads_, head_dim_);
            }
        });
        for (const layer_token& token : tokens) token.cache->push(layer, token.position);
        const std::size_t heads_grain = 1 + (std::size_t{1} << 13) / (tokens.size() * head_dim_);
        parallel_for(context.threads(), kv_heads_, heads_grain, [&](std::size_t, std::size_t begin, std::size_t end) {
            for (std::size_t i = 0; i < tokens.size(); ++i) {
                kv_cache& cache = *tokens[i].cache;
                const std::size_t entry = cache.visible(layer, tokens[i].position) - 1;
                for (std::size_t head = begin; head < end; ++head) {
                    const float* const key = projected.row(i) + key_column_ + head * head_dim_;
                    cache.set(layer, entry, head, key, key + d_kv_);
                }
            }
        });
    }

    [[no_unique_address]] Positions positions_;
    std::size_t heads_ = 0;
    std::size_t kv_heads_ = 0;
    [[no_unique_address]] extent<Shape.head_dim> head_dim_;
    cached_attention<Shape.head_dim> cached_;
    std::size_t key_column_ = 0;
    std::size_t d_kv_ = 0;
    linear<Format, Shape.d_model> query_key_value_;
    linear<Format, Shape.heads * Shape.head_dim> output_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
