// EXPECT: earlyout: a drafter that declares state has `void propose(std::span<const earlyout::token_id> ids,
// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/any_drafter.hpp>

#include <cstddef>
#include <span>

namespace eo = earlyout;

struct my_drafter {
    struct state {
        std::size_t size = 0;
    };
    void append(std::span<const eo::token_id> ids, state& s) const { s.size += ids.size(); }
    void rollback(std::size_t size, state& s) const { s.size = size; }
#ifdef EARLYOUT_MUST_COMPILE
    void propose(std::span<const eo::token_id> ids, const state&, eo::draft& out) const { out.push(ids.back(), 0.1f); }
#else
    void propose(std::span<const eo::token_id> ids, eo::draft& out) const { out.push(ids.back(), 0.1f); }
#endif
};

const eo::any_drafter drafter = my_drafter{};
