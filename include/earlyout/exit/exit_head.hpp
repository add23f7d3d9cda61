// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_EXIT_HEAD_HPP
#define EARLYOUT_EXIT_EXIT_HEAD_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/core/function_ref.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/nn/run_context.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Operations that an exit head computes with: the model's own final norm and output matrix, products with the head's
/// own weights, and scratch memory. Lent for one call.
class lm_head {
public:
    using function = function_ref<void(matrix_view<const float> hidden, matrix_view<float> logits)>;

    lm_head(function own, run_context& context) noexcept : own_(own), context_(&context) {}

    /// Computes the model's own logits of hidden states. hidden: [n, d_model], logits: [n, vocab]
    void operator()(matrix_view<const float> hidden, matrix_view<float> logits) const { own_(hidden, logits); }

    /// Computes y = x Wᵀ + b. x: [n, in], y: [n, out]
    template <class Format, std::size_t In>
    void multiply(const linear<Format, In>& map, matrix_view<const float> x, matrix_view<float> y) const {
        map(x, y, *context_);
    }

    /// Returns scratch memory until the end of the caller's scope; the head declares its size in `scratch_bytes`.
    [[nodiscard]] scratch_frame frame() const noexcept { return scratch_frame(context_->scratch()); }

private:
    function own_;
    run_context* context_;
};

/// Turns hidden states after a layer into logits: called with the layer, hidden: [n, d_model], logits: [n, vocab] and
/// the model's own output. Each row's logits must not depend on the others. It is also called after the last layer, for
/// which most heads have no weights of their own. Optional members:
///
/// applies the model's LM head last and does not change its logits
///     static constexpr bool uses_lm_head = true;
/// refuses a model that the head does not fit: throws error
///     void check(const model_shape&) const;
/// scratch memory of a call for n rows
///     std::size_t scratch_bytes(std::size_t rows) const;
///
/// The default implementation is shared_head.
template <class Head>
concept exit_head = std::copyable<Head> &&
                    requires(const Head& head, std::size_t layer, matrix_view<const float> hidden,
                             matrix_view<float> logits, const lm_head& output) { head(layer, hidden, logits, output); };

/// Returns the bytes of scratch memory that a head needs for `rows` rows.
template <exit_head Head>
[[nodiscard]] std::size_t head_scratch_bytes(const Head& head, std::size_t rows) {
    if constexpr (requires { head.scratch_bytes(rows); }) {
        return head.scratch_bytes(rows);
    } else {
        return 0;
    }
}

/// Returns true for a head that applies the model's LM head last and does not change its logits, so that they can be
/// summarised as they are computed, or computed for some tokens alone.
template <exit_head Head>
[[nodiscard]] constexpr bool uses_lm_head(const Head& head) noexcept {
    if constexpr (requires { head.run_time_uses_lm_head(); }) {
        return head.run_time_uses_lm_head();
    } else {
        return requires { requires Head::uses_lm_head; };
    }
}

/// Where a shortlist applies: at later exits, or also after the last layer, whose predictions then only approximate
/// full depth's.
enum class shortlist_reach : std::uint8_t { exits, full_depth };

/// The shortlist whose logits a head computes at later exits; see shortlist.
struct shortlist_use {
    std::size_t tokens = 0;  ///< 0: no shortlist
    shortlist_reach reach = shortlist_reach::exits;
};

/// Satisfied by a type of head that can have a shortlist.
template <class Head>
inline constexpr bool may_use_shortlist = requires(const Head& head) {
    { head.run_time_shortlist() } -> std::convertible_to<shortlist_use>;
};
/// Returns the head's shortlist.
template <exit_head Head>
[[nodiscard]] constexpr shortlist_use shortlist_of(const Head& head) noexcept {
    if constexpr (may_use_shortlist<Head>) {
        return head.run_time_shortlist();
    } else {
        return {};
    }
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
