// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_HEADS_HPP
#define EARLYOUT_EXIT_HEADS_HPP

#include <earlyout/core/shape.hpp>

#include <concepts>
#include <cstddef>
#include <span>

namespace earlyout::inline EARLYOUT_ABI {

/// What turns the hidden state after a layer into logits. A head is called with the layer, the hidden
/// state [d_model], room for the logits [vocab] and the model's own output (final norm and output
/// matrix), which it may use.
template <class Head>
concept exit_head =
    std::copyable<Head> &&
    requires(const Head& head, std::size_t layer, std::span<const float> hidden, std::span<float> logits,
             void (&output)(std::span<const float>, std::span<float>)) { head(layer, hidden, logits, output); };

/// Every exit answers through the model's own final norm and output matrix. For models trained with a
/// loss at their exits.
struct shared_head {
    static constexpr bool through_output = true;  ///< ends in the model's output; see shortlist

    template <class Output>
    void operator()(std::size_t, std::span<const float> hidden, std::span<float> logits, Output&& output) const {
        output(hidden, logits);
    }
};

}  // namespace earlyout::inline EARLYOUT_ABI

#endif
