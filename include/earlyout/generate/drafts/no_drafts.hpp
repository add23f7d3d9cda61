// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_NO_DRAFTS_HPP
#define EARLYOUT_GENERATE_DRAFTS_NO_DRAFTS_HPP

#include <earlyout/generate/drafts/drafter.hpp>

#include <span>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Proposes nothing: a session with it decodes token by token, and has no cost of drafting.
struct no_drafts {
    static constexpr std::string_view name = "none";

    void propose(std::span<const token_id>, draft&) const noexcept {}
    [[nodiscard]] static constexpr bool proposes_nothing() noexcept { return true; }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
