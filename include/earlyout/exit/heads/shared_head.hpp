// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_HEADS_SHARED_HEAD_HPP
#define EARLYOUT_EXIT_HEADS_SHARED_HEAD_HPP

#include <earlyout/exit/exit_head.hpp>

#include <cstddef>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Uses the model's own final norm and output matrix at every exit. For models trained with a loss at their exits.
struct shared_head {
    static constexpr bool uses_lm_head = true;

    template <class Output>
    void operator()(std::size_t, matrix_view<const float> hidden, matrix_view<float> logits, Output&& output) const {
        output(hidden, logits);
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
