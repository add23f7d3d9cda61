// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ATTENTION_HPP
#define EARLYOUT_KERNELS_ATTENTION_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/attention_codes.hpp>
#include <earlyout/kernels/attention_merge.hpp>
#include <earlyout/kernels/attention_stretch.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Max queries per call of attend().
template <class Arch>
inline constexpr std::size_t max_queries = 8 * tile_queries<Arch>;

/// Returns the floats of scratch that attend() and attend_stretch() need, whatever the length of the cache.
template <class Arch = default_arch>
[[nodiscard]] constexpr std::size_t attention_scratch(std::size_t head_dim) noexcept {
    return shared_queries<Arch> * (score_stride + 3 * value_width(head_dim));
}

/// One head's keys and values, stored one after the other.
template <cached_format Format>
class kv_arrays {
public:
    using format = Format;
    using element = typename kv_layout<Format>::element;

    constexpr kv_arrays(const element* keys, const element* values, std::size_t head_dim) noexcept
        : keys_(keys), values_(values), head_dim_(head_dim) {}

    [[nodiscard]] constexpr stretch_memory<element> at(std::size_t stretch) const noexcept {
        using layout = kv_layout<Format>;
        const auto keys_of = [&](std::size_t s) { return keys_ + layout::key_size(head_dim_, s * score_stretch); };
        return {keys_of(stretch), values_ + layout::value_size(head_dim_, stretch * score_stretch),
                keys_of(stretch + 1)};
    }

private:
    const element* keys_;
    const element* values_;
    std::size_t head_dim_;
};

/// Pages of a cache, each of score_stretch entries of any number of heads, wherever they are.
struct kv_pages {
    const std::byte* const* pages = nullptr;
    std::size_t count = 0;
    std::size_t keys = 0;    ///< where in a page one head's keys begin, in bytes
    std::size_t values = 0;  ///< the same for values

    /// Returns the memory of one stretch, which must be there.
    template <class Element>
    [[nodiscard]] stretch_memory<Element> at(std::size_t stretch) const noexcept {
        const auto in = [](const std::byte* page, std::size_t offset) {
            return reinterpret_cast<const Element*>(page + offset);
        };
        const std::byte* const page = pages[stretch];
        return {in(page, keys), in(page, values), in(stretch + 1 < count ? pages[stretch + 1] : page, keys)};
    }
};

namespace detail {

/// attend() with at(stretch) as the memory of a stretch.
template <class Arch, class Format, class HeadDim, class At>
void attend_in_order(Format format, std::span<const head_query> queries, HeadDim head_dim, float scale, float* scratch,
                     At at, Arch arch) noexcept {
    const std::size_t width = value_width(head_dim);
    float* const sums = scratch + shared_queries<Arch> * (score_stride + 2 * width);
    softmax_state states[max_queries<Arch>];
    std::size_t first = static_cast<std::size_t>(-1), last = 0;
    for (const head_query& q : queries) {
        first = std::min(first, q.first);
        last = std::max(last, q.last);
    }
    for (std::size_t stretch = first / score_stretch; stretch * score_stretch < last; ++stretch) {
        const auto memory = at(stretch);
        for (std::size_t begin = 0; begin < queries.size(); begin += shared_queries<Arch>) {
            const auto together = queries.subspan(begin, std::min(shared_queries<Arch>, queries.size() - begin));
            softmax_state parts[shared_queries<Arch>];
            attend_stretch(format, together, stretch, memory, head_dim, scale, parts, sums, scratch, arch);
            for (std::size_t q = 0; q < together.size(); ++q) {
                merge_attention(states[begin + q], together[q].out, parts[q], sums + q * width, head_dim, arch);
            }
        }
    }
    for (std::size_t q = 0; q < queries.size(); ++q) {
        finish_attention(states[q], queries[q].out, head_dim, arch, queries[q].sink);
    }
}

}  // namespace detail

/// Attends queries to the keys and values of one head: out = softmax(scale * q Kᵀ) V over the entries visible to each
/// (and a query's sink, if it has one); zero if none are visible. Stretches of the cache are merged in order, so a
/// query's result depends neither on the other queries nor on who computes which stretch.
/// @param queries at most max_queries, ideally ordered by the entries they see
/// @param memory  one head's keys and values, see kv_layout
/// @param scratch [attention_scratch(head_dim)]
template <class Arch = default_arch, cached_format Format, class HeadDim>
void attend(Format format, std::span<const head_query> queries, const kv_pages& memory, HeadDim head_dim, float scale,
            float* scratch, Arch arch = {}) noexcept {
    detail::attend_in_order(
        format, queries, head_dim, scale, scratch,
        [&](std::size_t stretch) { return memory.at<typename kv_layout<Format>::element>(stretch); }, arch);
}
template <class Arch = default_arch, cached_format Format, class HeadDim>
void attend(Format format, std::span<const head_query> queries, const kv_arrays<Format>& memory, HeadDim head_dim,
            float scale, float* scratch, Arch arch = {}) noexcept {
    detail::attend_in_order(
        format, queries, head_dim, scale, scratch, [&](std::size_t stretch) { return memory.at(stretch); }, arch);
}

#define EARLYOUT_DETAIL_ATTEND(Format)                                                                                \
    EARLYOUT_DETAIL_KERNEL(void attend_stretch(Format, std::span<const head_query>, std::size_t,                      \
                                               const stretch_memory<kv_layout<Format>::element>&, extent<>, float,    \
                                               softmax_state*, float*, float*, default_arch) noexcept);               \
    EARLYOUT_DETAIL_KERNEL(void attend(Format, std::span<const head_query>, const kv_pages&, extent<>, float, float*, \
                                       default_arch) noexcept)
EARLYOUT_DETAIL_ATTEND(f32);
EARLYOUT_DETAIL_ATTEND(bf16);
EARLYOUT_DETAIL_ATTEND(f16);
EARLYOUT_DETAIL_ATTEND(int8);
#undef EARLYOUT_DETAIL_ATTEND

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
