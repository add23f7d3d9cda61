// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_BLOCK_HPP
#define EARLYOUT_NN_BLOCK_HPP

#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/workspace.hpp>

#include <earlyout/core/executor.hpp>

#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// body(i) for each token, on any threads where there are many.
template <class Body>
void for_each_token(std::size_t tokens, std::size_t d_model, executor& on, Body body) {
    const std::size_t grain = 1 + (std::size_t{1} << 13) / (d_model + 1);
    parallel_for(on, tokens, grain, [&](std::size_t, std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) body(i);
    });
}

template <class Norm>
void normalize(const Norm& norm, std::span<const layer_token> tokens, matrix_view<float> normed, executor& on) {
    for_each_token(tokens.size(), normed.cols(), on, [&](std::size_t i) { norm(tokens[i].row, normed.row(i)); });
}

inline void add(matrix_view<const float> update, std::span<const layer_token> tokens, executor& on) {
    for_each_token(tokens.size(), update.cols(), on, [&](std::size_t i) {
        const float* from = update.row(i);
        float* row = tokens[i].row;
        for (std::size_t k = 0; k < update.cols(); ++k) row[k] += from[k];
    });
}

}  // namespace detail

/// One layer with a norm before each half: h += attention(norm(h)); h += feed_forward(norm(h)).
template <class Norm, class Attention, class FeedForward>
struct pre_norm_block {
    Norm attention_norm;
    Attention attention;
    Norm feed_forward_norm;
    FeedForward feed_forward;

    /// Takes at most scratch.block() tokens through the layer; their rows are updated, their keys and
    /// values appended.
    void operator()(std::size_t layer, std::span<const layer_token> tokens, workspace& scratch, executor& on) const {
        const matrix_view<float> normed = scratch.normed(tokens.size());
        const matrix_view<float> update = scratch.update(tokens.size());
        detail::normalize(attention_norm, tokens, normed, on);
        attention(layer, tokens, normed, update, scratch, on);
        detail::add(update, tokens, on);
        detail::normalize(feed_forward_norm, tokens, normed, on);
        feed_forward(normed, update, scratch, on);
        detail::add(update, tokens, on);
    }

    /// Appends the tokens' keys and values as this layer would see them, and leaves their rows alone.
    void fill(std::size_t layer, std::span<const layer_token> tokens, workspace& scratch, executor& on) const {
        const matrix_view<float> normed = scratch.normed(tokens.size());
        detail::normalize(attention_norm, tokens, normed, on);
        attention.fill(layer, tokens, normed, scratch, on);
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return attention_norm.bytes() + attention.bytes() + feed_forward_norm.bytes() + feed_forward.bytes();
    }
    /// Weight bytes that fill() reads.
    [[nodiscard]] std::size_t fill_bytes() const noexcept { return attention.fill_bytes(); }
    /// Of the weight matrices.
    [[nodiscard]] const char* format_name() const noexcept { return feed_forward.format_name(); }
};

/// One layer whose halves read the same norm and are added together (GPT-J, CodeGen):
/// h += attention(norm(h)) + feed_forward(norm(h)).
template <class Norm, class Attention, class FeedForward>
struct parallel_block {
    Norm norm;
    Attention attention;
    FeedForward feed_forward;

    /// As pre_norm_block's.
    void operator()(std::size_t layer, std::span<const layer_token> tokens, workspace& scratch, executor& on) const {
        const matrix_view<float> normed = scratch.normed(tokens.size());
        const matrix_view<float> update = scratch.update(tokens.size());
        detail::normalize(norm, tokens, normed, on);
        attention(layer, tokens, normed, update, scratch, on);
        detail::add(update, tokens, on);
        feed_forward(normed, update, scratch, on);
        detail::add(update, tokens, on);
    }
    void fill(std::size_t layer, std::span<const layer_token> tokens, workspace& scratch, executor& on) const {
        const matrix_view<float> normed = scratch.normed(tokens.size());
        detail::normalize(norm, tokens, normed, on);
        attention.fill(layer, tokens, normed, scratch, on);
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return norm.bytes() + attention.bytes() + feed_forward.bytes(); }
    [[nodiscard]] std::size_t fill_bytes() const noexcept { return attention.fill_bytes(); }
    [[nodiscard]] const char* format_name() const noexcept { return feed_forward.format_name(); }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
