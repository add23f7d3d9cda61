// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_HEADS_HPP
#define EARLYOUT_EXIT_HEADS_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/core/function_ref.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/nn/workspace.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// What a head computes with: the model's own output, and products with weights of the head's own, which run on the
/// session's threads and count among the weight bytes it reads. Lent for one answer.
class model_output {
public:
    using function = function_ref<void(std::span<const float> hidden, std::span<float> logits)>;

    /// @param weight_bytes where the bytes of multiply() are added; those of `own` are its own matter
    model_output(function own, workspace& scratch, executor& on, std::uint64_t& weight_bytes) noexcept
        : own_(own), scratch_(&scratch), on_(&on), weight_bytes_(&weight_bytes) {}

    /// logits = the model's output matrix times its final norm of a hidden state
    void operator()(std::span<const float> hidden, std::span<float> logits) const { own_(hidden, logits); }

    /// y = W x + b. x: [in], at most the widest row of a layer; y: [out]
    template <class Format, std::size_t In>
    void multiply(const linear<Format, In>& map, std::span<const float> x, std::span<float> y) const {
        map({x.data(), 1, x.size()}, {y.data(), 1, y.size()}, scratch_->rounded(), *on_);
        *weight_bytes_ += map.bytes();
    }

    /// Room for two rows, [d_model] each, that the model's own output leaves alone.
    [[nodiscard]] std::span<float> row(std::size_t which) const noexcept { return scratch_->head_row(which); }

private:
    function own_;
    workspace* scratch_;
    executor* on_;
    std::uint64_t* weight_bytes_;
};

/// What turns the hidden state after a layer into logits. A head is called with the layer, the hidden
/// state [d_model], room for the logits [vocab] and what it may compute with: the model's own output (final norm and
/// output matrix), products with its own weights. `void check(const model_shape&) const`, where it has one, refuses a
/// model that it does not fit. It is asked after the last layer too, for which most have nothing of their own.
template <class Head>
concept exit_head = std::copyable<Head> && requires(const Head& head, std::size_t layer, std::span<const float> hidden,
                                                    std::span<float> logits, const model_output& output) {
    head(layer, hidden, logits, output);
};

/// Every exit answers through the model's own final norm and output matrix. For models trained with a
/// loss at their exits.
struct shared_head {
    static constexpr bool through_output = true;  ///< ends in the model's output and leaves its logits alone

    template <class Output>
    void operator()(std::size_t, std::span<const float> hidden, std::span<float> logits, Output&& output) const {
        output(hidden, logits);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
