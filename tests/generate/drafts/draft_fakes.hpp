// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_GENERATE_DRAFTS_DRAFT_FAKES_HPP
#define EARLYOUT_TESTS_GENERATE_DRAFTS_DRAFT_FAKES_HPP

#include <earlyout/generate/drafts/draft.hpp>
#include <earlyout/generate/drafts/draft_context.hpp>
#include <earlyout/generate/drafts/draft_exits.hpp>
#include <earlyout/generate/drafts/draft_planner.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace support {

/// Exits that predict the given tokens, one after the other, and then none.
class scripted_exits final : public earlyout::draft_exits {
public:
    explicit scripted_exits(std::vector<prediction> script = {}) : script_(std::move(script)) {}

    std::optional<prediction> predict() override {
        ++calls_;
        if (calls_ > script_.size()) return std::nullopt;
        return script_[calls_ - 1];
    }
    std::size_t calls() const { return calls_; }

private:
    std::vector<prediction> script_;
    std::size_t calls_ = 0;
};

/// A planner and exits, to call a drafter without a session.
struct draft_desk {
    earlyout::draft_planner planner{};
    scripted_exits exits{};
    earlyout::draft_context context() { return {planner, exits}; }
};

inline earlyout::draft draft_of(const std::vector<earlyout::token_id>& tokens, float probability,
                                std::size_t origin = 0, std::size_t match = 0) {
    earlyout::draft made;
    for (const earlyout::token_id id : tokens) made.push(id, probability);
    made.set_origin(origin);
    made.set_match(match);
    return made;
}

inline std::vector<earlyout::token_id> drafted_ids(const earlyout::draft& d) {
    return {d.ids().begin(), d.ids().end()};
}

}  // namespace support

#endif
