// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_LOGIT_SUMMARY_HPP
#define EARLYOUT_KERNELS_LOGIT_SUMMARY_HPP

#include <earlyout/kernels/argmax.hpp>
#include <earlyout/kernels/simd.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Logits that are summarised together, 4 KiB of them: smaller blocks cost more to combine, larger ones are too few for
/// threads to share. Blocks are counted from the first logit and combined in order, so that a summary has the same bits
/// whether or not the logits were stored, and on any number of threads.
inline constexpr std::size_t summary_block = 32 * panel_rows;

/// Summarises logits when the single values are not needed. A masked logit is -infinity; a NaN, +infinity, or nothing
/// but -infinity makes log_sum() NaN.
struct logit_summary {
    top_two top;
    float sum = 0.0f;  ///< of exp(logit - top.first)

    /// Returns log(sum(exp(logit))).
    [[nodiscard]] float log_sum() const noexcept { return top.first + std::log(sum); }
};

/// Summarises one block. x: [n], n in 1 .. summary_block
/// @param first its offset in all logits
template <class Arch = default_arch>
[[nodiscard]] logit_summary summarize_block(const float* x, std::size_t n, std::size_t first, Arch = {}) noexcept {
    logit_summary made{find_top_two<Arch>(x, n), 0.0f};
    made.sum = sum_exp<Arch>(x, n, made.top.first);
    // A block of masked logits adds nothing; -infinity less itself would be NaN.
    constexpr float masked = -std::numeric_limits<float>::infinity();
    if (made.top.first == masked && std::all_of(x, x + n, [](float logit) { return logit == masked; })) made.sum = 0.0f;
    made.top.index += first;
    return made;
}

/// Combines all blocks in order; of equal logits the lower index is the top one, and both values are equal.
/// @param blocks at least one
[[nodiscard]] inline logit_summary merge(std::span<const logit_summary> blocks) noexcept {
    logit_summary all{blocks.front().top, 0.0f};
    for (const logit_summary& block : blocks.subspan(1)) {
        if (block.top.first > all.top.first) {
            all.top = {block.top.index, block.top.first, std::max(all.top.first, block.top.second)};
        } else {
            all.top.second = std::max(all.top.second, block.top.first);
        }
    }
    for (const logit_summary& block : blocks) all.sum += block.sum * std::exp(block.top.first - all.top.first);
    return all;
}

/// Summarises stored logits. x: [n], n >= 1
/// @param blocks room for n / summary_block of them, rounded up
template <class Arch = default_arch>
[[nodiscard]] logit_summary summarize(const float* x, std::size_t n, std::span<logit_summary> blocks,
                                      Arch = {}) noexcept {
    const std::size_t count = (n + summary_block - 1) / summary_block;
    for (std::size_t b = 0; b < count; ++b) {
        const std::size_t first = b * summary_block;
        blocks[b] = summarize_block<Arch>(x + first, std::min(summary_block, n - first), first);
    }
    return merge(blocks.first(count));
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
