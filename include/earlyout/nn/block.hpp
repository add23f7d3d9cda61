// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_BLOCK_HPP
#define EARLYOUT_NN_BLOCK_HPP

#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/run_context.hpp>
#include <earlyout/weights/packed_weights.hpp>

#include <earlyout/core/executor.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Adds what a half computes to the residual stream unchanged.
struct plain_residual {
    [[nodiscard]] float operator()(float update) const noexcept { return update; }
};
/// Adds a multiple of it (Granite).
struct scaled_residual {
    float factor = 1.0f;
    [[nodiscard]] float operator()(float update) const noexcept { return factor * update; }
};

namespace detail {

/// Calls body(i) for each token, on all threads if there are many.
template <class Body>
void for_each_token(std::size_t tokens, std::size_t d_model, executor& on, Body body) {
    const std::size_t grain = 1 + (std::size_t{1} << 13) / (d_model + 1);
    parallel_for(on, tokens, grain, [&](std::size_t, std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) body(i);
    });
}

/// Computes normed = norm(rows). normed: [tokens, d_model]
template <class Norm>
void normalize(const Norm& norm, std::span<const layer_token> tokens, matrix_view<float> normed, run_context& context) {
    context.count_bytes(norm.bytes());
    for_each_token(tokens.size(), normed.cols(), context.threads(),
                   [&](std::size_t i) { norm(tokens[i].row, normed.row(i)); });
}

/// Computes rows += residual(update), element by element. update: [tokens, d_model]
template <class Residual = plain_residual>
void add(matrix_view<const float> update, std::span<const layer_token> tokens, run_context& context,
         Residual residual = {}) {
    for_each_token(tokens.size(), update.cols(), context.threads(), [&](std::size_t i) {
        const float* from = update.row(i);
        float* row = tokens[i].row;
        for (std::size_t k = 0; k < update.cols(); ++k) row[k] += residual(from[k]);
    });
}

/// Computes rows += norm(update); `update` is overwritten. update: [tokens, d_model]
template <class Norm>
void add_normed(const Norm& norm, matrix_view<float> update, std::span<const layer_token> tokens,
                run_context& context) {
    context.count_bytes(norm.bytes());
    for_each_token(tokens.size(), update.cols(), context.threads(),
                   [&](std::size_t i) { norm(update.row(i), update.row(i)); });
    add(update, tokens, context);
}

/// Runs a feed-forward. Only mixtures look at the tokens: each may choose another number of experts.
template <class FeedForward>
void run_feed_forward(const FeedForward& feed_forward, std::span<const layer_token> tokens,
                      matrix_view<const float> normed, matrix_view<float> update, run_context& context) {
    if constexpr (requires { feed_forward(tokens, normed, update, context); }) {
        feed_forward(tokens, normed, update, context);
    } else {
        feed_forward(normed, update, context);
    }
}

/// Returns the scratch of the normed input, the update, and the larger half.
template <class Attention, class FeedForward>
[[nodiscard]] std::size_t block_scratch_bytes(const Attention& attention, const FeedForward& feed_forward,
                                              std::size_t tokens, std::size_t pieces) noexcept {
    return 2 * scratch_bytes<float>(tokens * attention.d_model()) +
           std::max(attention.scratch_bytes(tokens, pieces), feed_forward.scratch_bytes(tokens));
}

}  // namespace detail

/// One layer with a norm before each half: h += attention(norm(h)); h += feed_forward(norm(h)).
/// @tparam Residual how the halves are added: plain_residual, scaled_residual
template <class Norm, class Attention, class FeedForward, class Residual = plain_residual>
struct pre_norm_block {
    Norm attention_norm;
    Attention attention;
    Norm feed_forward_norm;
    FeedForward feed_forward;
    [[no_unique_address]] Residual residual = {};

    /// Runs the layer for at most context.chunk() tokens: updates their rows and appends their keys and values.
    void operator()(std::size_t layer, std::span<const layer_token> tokens, run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> normed = frame.matrix(tokens.size(), attention.d_model());
        const matrix_view<float> update = frame.matrix(tokens.size(), attention.d_model());
        detail::normalize(attention_norm, tokens, normed, context);
        attention(layer, tokens, normed, update, context);
        detail::add(update, tokens, context, residual);
        detail::normalize(feed_forward_norm, tokens, normed, context);
        detail::run_feed_forward(feed_forward, tokens, normed, update, context);
        detail::add(update, tokens, context, residual);
    }

    /// Appends the tokens' keys and values computed from their current rows, which stay unchanged.
    void update_kv_only(std::size_t layer, std::span<const layer_token> tokens, run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> normed = frame.matrix(tokens.size(), attention.d_model());
        detail::normalize(attention_norm, tokens, normed, context);
        attention.update_kv_only(layer, tokens, normed, context);
    }

    /// Returns the bytes of scratch memory that `tokens` tokens take.
    /// @param pieces run_context::pieces()
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens, std::size_t pieces) const noexcept {
        return detail::block_scratch_bytes(attention, feed_forward, tokens, pieces);
    }
    /// Visits the weight matrices, those of the attention first.
    void visit_matrices(matrix_visitor visit) const {
        attention.visit_matrices(visit);
        feed_forward.visit_matrices(visit);
    }
    /// Returns the weight bytes that one chunk reads.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return attention_norm.bytes() + attention.bytes() + feed_forward_norm.bytes() + feed_forward.bytes();
    }
    /// Returns the bytes of all weights: more than bytes() if the feed-forward is a mixture of experts.
    [[nodiscard]] std::size_t stored_bytes() const noexcept {
        if constexpr (requires { feed_forward.stored_bytes(); }) {
            return bytes() - feed_forward.bytes() + feed_forward.stored_bytes();
        } else {
            return bytes();
        }
    }
    /// Returns the weight bytes that update_kv_only() reads.
    [[nodiscard]] std::size_t update_kv_bytes() const noexcept {
        return attention_norm.bytes() + attention.update_kv_bytes();
    }
    /// Returns the format of the weight matrices.
    [[nodiscard]] const char* format_name() const noexcept { return feed_forward.format_name(); }
};

/// One layer whose halves are normalised before they are added: h += norm_2(attention(norm_1(h)));
/// h += norm_4(feed_forward(norm_3(h))) (Gemma 2); without the norms before the halves if PreNorm is no_norm (OLMo 2).
template <class PreNorm, class Attention, class FeedForward, class PostNorm>
struct post_norm_block {
    [[no_unique_address]] PreNorm attention_norm;
    Attention attention;
    PostNorm attention_post_norm;
    [[no_unique_address]] PreNorm feed_forward_norm;
    FeedForward feed_forward;
    PostNorm feed_forward_post_norm;

    /// See pre_norm_block.
    void operator()(std::size_t layer, std::span<const layer_token> tokens, run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> normed = frame.matrix(tokens.size(), attention.d_model());
        const matrix_view<float> update = frame.matrix(tokens.size(), attention.d_model());
        detail::normalize(attention_norm, tokens, normed, context);
        attention(layer, tokens, normed, update, context);
        detail::add_normed(attention_post_norm, update, tokens, context);
        detail::normalize(feed_forward_norm, tokens, normed, context);
        detail::run_feed_forward(feed_forward, tokens, normed, update, context);
        detail::add_normed(feed_forward_post_norm, update, tokens, context);
    }
    void update_kv_only(std::size_t layer, std::span<const layer_token> tokens, run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> normed = frame.matrix(tokens.size(), attention.d_model());
        detail::normalize(attention_norm, tokens, normed, context);
        attention.update_kv_only(layer, tokens, normed, context);
    }

    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens, std::size_t pieces) const noexcept {
        return detail::block_scratch_bytes(attention, feed_forward, tokens, pieces);
    }
    void visit_matrices(matrix_visitor visit) const {
        attention.visit_matrices(visit);
        feed_forward.visit_matrices(visit);
    }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return attention_norm.bytes() + attention.bytes() + attention_post_norm.bytes() + feed_forward_norm.bytes() +
               feed_forward.bytes() + feed_forward_post_norm.bytes();
    }
    [[nodiscard]] std::size_t update_kv_bytes() const noexcept {
        return attention_norm.bytes() + attention.update_kv_bytes();
    }
    [[nodiscard]] const char* format_name() const noexcept { return feed_forward.format_name(); }
};

/// One layer with a norm for each half, both of the layer's input (GPT-NeoX):
/// h += attention(norm_1(h)) + feed_forward(norm_2(h)); as pre_norm_block if not `parallel`.
template <class Norm, class Attention, class FeedForward>
struct two_norm_block : pre_norm_block<Norm, Attention, FeedForward> {
    bool parallel = true;

    /// See pre_norm_block.
    void operator()(std::size_t layer, std::span<const layer_token> tokens, run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> normed = frame.matrix(tokens.size(), this->attention.d_model());
        const matrix_view<float> update = frame.matrix(tokens.size(), this->attention.d_model());
        detail::normalize(this->attention_norm, tokens, normed, context);
        this->attention(layer, tokens, normed, update, context);
        if (!parallel) detail::add(update, tokens, context);
        detail::normalize(this->feed_forward_norm, tokens, normed, context);
        if (parallel) detail::add(update, tokens, context);
        detail::run_feed_forward(this->feed_forward, tokens, normed, update, context);
        detail::add(update, tokens, context);
    }
};

/// One layer whose halves read the same norm and are added together (GPT-J, CodeGen):
/// h += attention(norm(h)) + feed_forward(norm(h)).
template <class Norm, class Attention, class FeedForward>
struct parallel_block {
    Norm norm;
    Attention attention;
    FeedForward feed_forward;

    /// See pre_norm_block.
    void operator()(std::size_t layer, std::span<const layer_token> tokens, run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> normed = frame.matrix(tokens.size(), attention.d_model());
        const matrix_view<float> update = frame.matrix(tokens.size(), attention.d_model());
        detail::normalize(norm, tokens, normed, context);
        attention(layer, tokens, normed, update, context);
        detail::add(update, tokens, context);
        detail::run_feed_forward(feed_forward, tokens, normed, update, context);
        detail::add(update, tokens, context);
    }
    void update_kv_only(std::size_t layer, std::span<const layer_token> tokens, run_context& context) const {
        scratch_frame frame(context.scratch());
        const matrix_view<float> normed = frame.matrix(tokens.size(), attention.d_model());
        detail::normalize(norm, tokens, normed, context);
        attention.update_kv_only(layer, tokens, normed, context);
    }

    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens, std::size_t pieces) const noexcept {
        return detail::block_scratch_bytes(attention, feed_forward, tokens, pieces);
    }
    void visit_matrices(matrix_visitor visit) const {
        attention.visit_matrices(visit);
        feed_forward.visit_matrices(visit);
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return norm.bytes() + attention.bytes() + feed_forward.bytes(); }
    [[nodiscard]] std::size_t update_kv_bytes() const noexcept { return norm.bytes() + attention.update_kv_bytes(); }
    [[nodiscard]] const char* format_name() const noexcept { return feed_forward.format_name(); }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
