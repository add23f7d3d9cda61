// EXPECT: earlyout: a drafter has `void propose(std::span<const earlyout::token_id> ids, earlyout::draft& out) const`
// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/any_drafter.hpp>

#include <span>

namespace eo = earlyout;

struct my_drafter {
#ifdef EARLYOUT_MUST_COMPILE
    void propose(std::span<const eo::token_id> ids, eo::draft& out) const { out.push(ids.back(), 0.1f); }
#endif
};

const eo::any_drafter drafter = my_drafter{};
