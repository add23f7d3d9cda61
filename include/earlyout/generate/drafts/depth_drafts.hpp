// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DEPTH_DRAFTS_HPP
#define EARLYOUT_GENERATE_DRAFTS_DEPTH_DRAFTS_HPP

#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/drafter_info.hpp>

#include <optional>
#include <span>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Drafts with the model's own first layers: what the policy's exits predict, any gate, head and cache of them, is
/// verified at full depth. The same policy without this drafter is faster and not exact. (LayerSkip, arXiv 2404.16710.)
///
/// The draft ends where the gate does not let a token exit, and at the length that the planner expects the most of.
struct depth_drafts {
    static constexpr drafter_info info{.name = "depth", .brief = "what the policy's exits predict"};
    static constexpr std::string_view name = info.name;
    static constexpr bool uses_exits = true;

    static constexpr depth_drafts from(std::span<const float>) noexcept { return {}; }

    void propose(std::span<const token_id>, draft_context& context, draft& out) const {
        const std::size_t wanted = context.plan_exits(out.limit()).length;
        while (out.size() < wanted) {
            const std::optional<draft_exits::prediction> exited = context.exits().predict();
            if (!exited) return;
            out.push(exited->token, exited->probability);
            out.set_layers(exited->layer);
        }
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
