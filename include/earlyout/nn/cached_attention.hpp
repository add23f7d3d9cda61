// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_CACHED_ATTENTION_HPP
#define EARLYOUT_NN_CACHED_ATTENTION_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/core/matrix_view.hpp>
#include <earlyout/kernels/attention.hpp>
#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The part of attention between the projections: tokens' queries over the keys and values in their caches, shared out
/// to threads by key-value head and token; where these are fewer than the threads can share, long caches also by
/// stretch. A query's result has the same bits either way.
template <std::size_t HeadDim>
class cached_attention {
public:
    cached_attention() = default;
    /// @param heads    query heads, which share key-value heads in groups of heads / kv_heads
    /// @param scale    factor on the scores before the softmax
    /// @param window   max positions visible to a query, its own included; 0: all
    /// @param cap      limits the scores, see soft_cap; 0: does not
    /// @param sinks    [heads], see kernels::finish_attention, or none
    cached_attention(std::size_t heads, std::size_t kv_heads, extent<HeadDim> head_dim, float scale, std::size_t window,
                     float cap = 0.0f, std::vector<float> sinks = {})
        : heads_(heads),
          kv_heads_(kv_heads),
          head_dim_(head_dim),
          scale_(scale),
          window_(window),
          cap_(cap),
          sinks_(std::move(sinks)) {}

    /// Returns the weight bytes that a call reads.
    [[nodiscard]] std::size_t bytes() const noexcept { return sinks_.size() * sizeof(float); }

    /// Computes out from the entries that each token sees, its own included.
    /// @param queries [tokens, heads * head_dim], a row may be longer
    /// @param out     [tokens, heads * head_dim]
    void operator()(std::size_t layer, std::span<const layer_token> tokens, matrix_view<const float> queries,
                    matrix_view<float> out, run_context& context) const {
        context.count_bytes(bytes());
        if (may_split(context.pieces()) && tokens.size() * kv_heads_ < context.pieces() &&
            tokens.size() <= max_split_tokens) {
            std::size_t first = std::numeric_limits<std::size_t>::max(), last = 0;
            for (const layer_token& token : tokens) {
                const seen_entries seen = entries_of(layer, token);
                first = std::min(first, seen.first / kernels::score_stretch);
                last = std::max(last, (seen.last - 1) / kernels::score_stretch + 1);
            }
            if (last - first > 1) return attend_stretches(layer, tokens, queries, out, context, first, last);
        }
        scratch_frame frame(context.scratch());
        const std::size_t piece_scratch = kernels::attention_scratch<>(head_dim_);
        float* const scratch = frame.take<float>(context.pieces() * piece_scratch).data();
        // Queries in the order of the keys they share: by key-value head, then token, then head of the group. Groups
        // stay together unless threads would have nothing to do.
        const std::size_t group = heads_ / kv_heads_, of_head = tokens.size() * group;
        const std::size_t step = kv_heads_ * tokens.size() < context.threads().concurrency() ? 1 : group;
        parallel_for(context.threads(), kv_heads_ * of_head / step, grain(tokens.back().cache->length(layer) * step),
                     [&](std::size_t piece, std::size_t begin, std::size_t end) {
                         kernels::head_query each[kernels::max_queries<default_arch>];
                         for (std::size_t i = begin * step; i < end * step;) {
                             const std::size_t kv_head = i / of_head;
                             const std::size_t head_end = std::min(end * step, (kv_head + 1) * of_head);
                             const kv_cache& cache = *tokens[i % of_head / group].cache;
                             seen_entries seen;
                             std::size_t count = 0;
                             for (; i < head_end && count < std::size(each); ++i, ++count) {
                                 const std::size_t t = i % of_head / group;
                                 if (tokens[t].cache != &cache) break;
                                 if (count == 0 || i % group == 0) seen = entries_of(layer, tokens[t]);
                                 each[count] = query_of(kv_head * group + i % group, queries.row(t), out.row(t), seen);
                             }
                             cache.attend(layer, kv_head, std::span(std::as_const(each)).first(count), head_dim_,
                                          scale_, scratch + piece * piece_scratch);
                         }
                     });
    }

    /// Returns the bytes of scratch memory that any number of tokens takes.
    /// @param pieces run_context::pieces()
    [[nodiscard]] std::size_t scratch_bytes(std::size_t pieces) const noexcept {
        return earlyout::scratch_bytes<float>(pieces * kernels::attention_scratch<>(head_dim_)) +
               (may_split(pieces) ? split_bytes() : 0);
    }

private:
    /// Stretches of one token whose results are kept at once; those of longer caches are computed in rounds.
    static constexpr std::size_t round_stretches = 32;
    static constexpr std::size_t max_split_tokens = 8;

    /// Returns the fewest units of `entries` keys and values that are worth a piece.
    [[nodiscard]] std::size_t grain(std::size_t entries) const noexcept {
        return 1 + (std::size_t{1} << 14) / (head_dim_ * (entries + 1));
    }
    [[nodiscard]] bool may_split(std::size_t pieces) const noexcept {
        return pieces > pieces_per_thread && kv_heads_ < pieces;
    }
    [[nodiscard]] std::size_t split_bytes() const noexcept {
        const std::size_t width = kernels::value_width(head_dim_);
        return earlyout::scratch_bytes<kernels::softmax_state>(heads_ * max_split_tokens) +
               earlyout::scratch_bytes<kernels::softmax_state>(heads_ * round_stretches) +
               earlyout::scratch_bytes<float>(heads_ * round_stretches * width);
    }
    /// Entries of a cache, [first, last).
    struct seen_entries {
        std::size_t first = 0;
        std::size_t last = 0;
    };
    /// Returns the entries that a token sees.
    [[nodiscard]] seen_entries entries_of(std::size_t layer, const layer_token& token) const noexcept {
        return {token.cache->hidden(layer, token.position, window_), token.cache->visible(layer, token.position)};
    }
    [[nodiscard]] kernels::head_query query_of(std::size_t head, const float* queries, float* out,
                                               const seen_entries& seen) const noexcept {
        return {queries + head * head_dim_, out + head * head_dim_, seen.first, seen.last, cap_, sink_of(head)};
    }
    [[nodiscard]] float sink_of(std::size_t head) const noexcept {
        return sinks_.empty() ? kernels::no_sink : sinks_[head];
    }

    /// Computes each stretch of each head by itself, then merges them in order.
    void attend_stretches(std::size_t layer, std::span<const layer_token> tokens, matrix_view<const float> queries,
                          matrix_view<float> out, run_context& context, std::size_t first, std::size_t last) const {
        using kernels::softmax_state;
        scratch_frame frame(context.scratch());
        const std::size_t count = tokens.size(), group = heads_ / kv_heads_;
        const std::size_t width = kernels::value_width(head_dim_), round = round_stretches / count;
        const std::size_t piece_scratch = kernels::attention_scratch<>(head_dim_);
        float* const scratch = frame.take<float>(context.pieces() * piece_scratch).data();
        const std::span<softmax_state> totals = frame.take<softmax_state>(heads_ * max_split_tokens);
        softmax_state* const parts = frame.take<softmax_state>(heads_ * round_stretches).data();
        float* const sums = frame.take<float>(heads_ * round_stretches * width).data();
        std::fill(totals.begin(), totals.end(), softmax_state{});
        for (std::size_t from = first; from < last; from += round) {
            const std::size_t stretches = std::min(round, last - from);
            // Parts in the order of the keys: by key-value head, then stretch, then token, then head of the group.
            const auto part_of = [&](std::size_t kv_head, std::size_t stretch, std::size_t t) {
                return ((kv_head * stretches + stretch) * count + t) * group;
            };
            parallel_for(context.threads(), kv_heads_ * stretches * count, 1,
                         [&](std::size_t piece, std::size_t begin, std::size_t end) {
                             for (std::size_t i = begin; i < end; ++i) {
                                 const std::size_t t = i % count, kv_head = i / count / stretches;
                                 attend_part(layer, tokens[t], kv_head, from + i / count % stretches, queries.row(t),
                                             out.row(t), parts + i * group, sums + i * group * width,
                                             scratch + piece * piece_scratch);
                             }
                         });
            const std::size_t merge_grain = 1 + (std::size_t{1} << 13) / (head_dim_ * stretches);
            parallel_for(
                context.threads(), heads_ * count, merge_grain, [&](std::size_t, std::size_t begin, std::size_t end) {
                    for (std::size_t i = begin; i < end; ++i) {
                        const std::size_t t = i / heads_, head = i % heads_;
                        float* const values = out.row(t) + head * head_dim_;
                        for (std::size_t s = 0; s < stretches; ++s) {
                            const std::size_t part = part_of(head / group, s, t) + head % group;
                            kernels::merge_attention(totals[i], values, parts[part], sums + part * width, head_dim_);
                        }
                        if (from + stretches != last) continue;
                        kernels::finish_attention(totals[i], values, head_dim_, default_arch{}, sink_of(head));
                    }
                });
        }
    }

    /// Computes one stretch for one token's group of query heads.
    /// @param parts [group]
    /// @param sums  [group, value_width(head_dim)]
    void attend_part(std::size_t layer, const layer_token& token, std::size_t kv_head, std::size_t stretch,
                     const float* queries, float* out, kernels::softmax_state* parts, float* sums,
                     float* scratch) const {
        constexpr std::size_t most = kernels::shared_queries<default_arch>;
        const std::size_t group = heads_ / kv_heads_, width = kernels::value_width(head_dim_);
        const seen_entries seen = entries_of(layer, token);
        // Another token may see farther than this one's cache has pages.
        const std::size_t begin = stretch * kernels::score_stretch;
        if (begin >= seen.last || begin + kernels::score_stretch <= seen.first) {
            std::fill_n(parts, group, kernels::softmax_state{});
            return;
        }
        for (std::size_t at = 0; at < group; at += most) {
            kernels::head_query each[most];
            const std::size_t count = std::min(most, group - at);
            for (std::size_t q = 0; q < count; ++q) {
                each[q] = query_of(kv_head * group + at + q, queries, out, seen);
            }
            token.cache->attend_stretch(layer, kv_head, std::span(std::as_const(each)).first(count), stretch, head_dim_,
                                        scale_, parts + at, sums + at * width, scratch);
        }
    }

    std::size_t heads_ = 0;
    std::size_t kv_heads_ = 0;
    [[no_unique_address]] extent<HeadDim> head_dim_;
    float scale_ = 1.0f;
    std::size_t window_ = 0;
    float cap_ = 0.0f;
    std::vector<float> sinks_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
