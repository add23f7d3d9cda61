// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_SHAPE_HPP
#define EARLYOUT_CORE_SHAPE_HPP

#include <earlyout/core/error.hpp>

#include <cstddef>
#include <limits>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The sizes of a decoder. As a template argument, members left 0 are read from the checkpoint; in a
/// network all are known. `kv_heads`, `head_dim` and `d_ff` left 0 in a complete shape mean `heads`,
/// `d_model / heads` and `4 d_model`.
struct model_shape {
    std::size_t layers = 0;
    std::size_t d_model = 0;
    std::size_t heads = 0;
    std::size_t kv_heads = 0;  ///< < heads: grouped-query attention
    std::size_t head_dim = 0;
    std::size_t d_ff = 0;
    std::size_t vocab = 0;
    std::size_t context = 0;  ///< maximum number of positions in a sequence
    bool gated = false;       ///< the feed-forward multiplies two products of width d_ff (SwiGLU)
    std::size_t experts = 0;  ///< of each mixture; 0: the feed-forwards are not mixtures of experts
    std::size_t active_experts =
        0;  ///< experts that a token chooses of them, unless a policy or a request says otherwise

    friend constexpr bool operator==(const model_shape&, const model_shape&) = default;

    /// Returns the width of the queries and of the attention's output: heads * head_dim.
    [[nodiscard]] constexpr std::size_t d_query() const noexcept { return heads * head_dim; }
    /// Returns the width of the keys, and of the values: kv_heads * head_dim.
    [[nodiscard]] constexpr std::size_t d_kv() const noexcept { return kv_heads * head_dim; }

    /// Returns the same shape with the conventional values where `kv_heads`, `head_dim` or `d_ff` is 0.
    [[nodiscard]] constexpr model_shape completed() const noexcept {
        model_shape s = *this;
        if (s.kv_heads == 0) s.kv_heads = s.heads;
        if (s.head_dim == 0 && s.heads != 0) s.head_dim = s.d_model / s.heads;
        if (s.d_ff == 0) s.d_ff = 4 * s.d_model;
        return s;
    }
};

/// Refuses shapes that no checkpoint can have, before anything is allocated from them.
/// @param source the file, for the message
/// @throws error (wrong_value) naming the size
inline void check_shape(const model_shape& shape, std::string_view source) {
    const auto check = [&](std::string_view name, std::size_t value, std::size_t most) {
        if (value == 0 || value > most) {
            fail(errc::wrong_value, source, ": ", name, ": expected 1 .. ", most, ", found ", value);
        }
    };
    check("number of layers", shape.layers, 4096);
    check("d_model", shape.d_model, std::size_t{1} << 20);
    check("number of heads", shape.heads, 65536);
    check("number of key-value heads", shape.kv_heads, shape.heads);
    check("head_dim", shape.head_dim, std::size_t{1} << 16);
    check("d_ff", shape.d_ff, std::size_t{1} << 24);
    check("vocabulary size", shape.vocab, std::size_t{1} << 24);
    check("context length", shape.context, std::size_t{1} << 26);
    if (shape.heads % shape.kv_heads != 0) {
        fail(errc::wrong_value, source, ": number of heads: expected a multiple of the ", shape.kv_heads,
             " key-value heads, found ", shape.heads);
    }
    if (shape.experts != 0) {
        check("number of experts", shape.experts, 65536);
        check("number of active experts", shape.active_experts, shape.experts);
    }
}

/// Refuses a number of active experts that a model cannot have; 0, the model's own, is always accepted.
/// @throws error (unsupported) for a model without experts, (out_of_range) for more than there are
inline void check_active_experts(std::size_t wanted, const model_shape& shape) {
    if (wanted == 0) return;
    if (shape.experts == 0) {
        fail(errc::unsupported, "active experts: expected none for a model without mixtures of experts, found ",
             wanted);
    }
    if (wanted > shape.experts) {
        fail(errc::out_of_range, "active experts: expected 1 .. ", shape.experts, ", found ", wanted);
    }
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
