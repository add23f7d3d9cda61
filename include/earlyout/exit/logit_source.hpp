// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_LOGIT_SOURCE_HPP
#define EARLYOUT_EXIT_LOGIT_SOURCE_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/kernels/logit_summary.hpp>

#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Computes the logits of one sequence's exits when a signal that needs them is first read: an exit head over a
/// network, or a test double. hidden: [d_model]
class logit_source {
public:
    /// Computes the logits after a layer. out: [vocab]
    virtual void logits(std::size_t layer, std::span<const float> hidden, std::span<float> out) = 0;
    /// Computes a summary of them without storing any; see exit_signals::use_summaries.
    [[nodiscard]] virtual kernels::logit_summary summary(std::size_t layer, std::span<const float> hidden) = 0;
    /// Selects the tokens of shortlist_logits(). ids: in increasing order, as many as the signals' shortlist has
    virtual void set_shortlist(std::span<const token_id> ids) = 0;
    /// Computes the logits of those tokens. out: [ids]
    virtual void shortlist_logits(std::size_t layer, std::span<const float> hidden, std::span<float> out) = 0;

protected:
    logit_source() = default;
    logit_source(const logit_source&) = default;
    logit_source& operator=(const logit_source&) = default;
    ~logit_source() = default;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
