// EXPECT: earlyout: a drafter is a copyable value; what changes belongs to its state
// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/drafter.hpp>

#include <memory>
#include <span>
#include <vector>

namespace eo = earlyout;

struct my_drafter {
#ifdef EARLYOUT_MUST_COMPILE
    std::shared_ptr<const std::vector<eo::token_id>> phrase;
#else
    std::unique_ptr<std::vector<eo::token_id>> phrase;
#endif
    void propose(std::span<const eo::token_id>, eo::draft& out) const {
        for (const eo::token_id id : *phrase) out.push(id, 0.1f);
    }
};

static_assert((eo::explain_drafter<my_drafter>(), eo::drafter<my_drafter>));
