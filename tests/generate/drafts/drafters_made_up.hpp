// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_GENERATE_DRAFTS_DRAFTERS_MADE_UP_HPP
#define EARLYOUT_TESTS_GENERATE_DRAFTS_DRAFTERS_MADE_UP_HPP

#include <earlyout/generate/drafts/drafter.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

/// Always drafts the same tokens with the same probability.
struct fixed_drafts {
    static constexpr std::string_view name = "fixed";
    std::vector<earlyout::token_id> proposed;
    float probability = 0.9f;
    std::size_t match = 0;

    void propose(std::span<const earlyout::token_id>, earlyout::draft& out) const {
        for (const earlyout::token_id id : proposed) out.push(id, probability);
        out.set_match(match);
    }
};

/// Writes down what it is told, in the order in which that happens, and keeps a copy of the sequence.
struct recording_drafts {
    static constexpr std::string_view name = "recording";

    std::vector<earlyout::token_id> proposed;
    float probability = 0.9f;
    std::shared_ptr<std::vector<std::string>> calls = std::make_shared<std::vector<std::string>>();

    struct state {
        std::vector<earlyout::token_id> ids;
        std::size_t max_tokens = 0, vocab = 0;
    };

    [[nodiscard]] state start(const earlyout::draft_limits& limits) const {
        calls->push_back("start " + std::to_string(limits.tokens) + " " + std::to_string(limits.vocab));
        return {{}, limits.tokens, limits.vocab};
    }
    void append(std::span<const earlyout::token_id> more, state& s) const {
        std::string call = "append";
        for (const earlyout::token_id id : more) call += " " + std::to_string(id);
        calls->push_back(call);
        s.ids.insert(s.ids.end(), more.begin(), more.end());
    }
    void rollback(std::size_t size, state& s) const {
        calls->push_back("rollback " + std::to_string(size));
        s.ids.resize(size);
    }
    void propose(std::span<const earlyout::token_id> so_far, state& s, earlyout::draft& out) const {
        const bool follows = std::vector(so_far.begin(), so_far.end()) == s.ids;
        calls->push_back(follows ? "propose" : "propose for another sequence");
        for (const earlyout::token_id id : proposed) out.push(id, probability);
    }
    void learn(const earlyout::draft_outcome& outcome, state&) const {
        calls->push_back("learn " + std::to_string(outcome.accepted) + " of " +
                         std::to_string(outcome.proposed.size()) + " from " +
                         std::to_string(outcome.proposed.origin()));
    }

    /// Returns the calls since the last time.
    [[nodiscard]] std::vector<std::string> take() const { return std::exchange(*calls, {}); }
};

/// Drafts as many tokens at exits as its context plans.
struct planned_exit_drafts {
    static constexpr bool uses_exits = true;

    void propose(std::span<const earlyout::token_id>, earlyout::draft_context& context, earlyout::draft& out) const {
        const std::size_t length = context.plan_exits(out.limit()).length;
        while (out.size() < length) {
            const auto made = context.exits().predict();
            if (!made) return;
            out.push(made->token, made->probability);
            out.set_layers(made->layer);
        }
    }
};

}  // namespace support

#endif
