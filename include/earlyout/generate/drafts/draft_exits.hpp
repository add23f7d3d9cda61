// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DRAFT_EXITS_HPP
#define EARLYOUT_GENERATE_DRAFTS_DRAFT_EXITS_HPP

#include <earlyout/core/token.hpp>

#include <cstddef>
#include <optional>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The exits of a session's policy, lent to a drafter for one proposal. The hidden states of the layers that run are
/// kept: verification continues from there, and nothing is computed twice.
class draft_exits {
public:
    /// A token predicted at an exit.
    struct prediction {
        token_id token = 0;
        float probability = 0.0f;  ///< under the exit's distribution
        std::size_t layer = 0;
    };

    /// Runs the last token up to the exit where the gate decides that it exits, predicts the next token there with the
    /// random number that the model's own will be drawn with, and appends it. Returns nothing if it exits nowhere, or
    /// no position is left.
    [[nodiscard]] virtual std::optional<prediction> predict() = 0;

protected:
    draft_exits() = default;
    draft_exits(const draft_exits&) = default;
    draft_exits& operator=(const draft_exits&) = default;
    ~draft_exits() = default;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
