// EXPECT: earlyout: a drafter that declares state has `void append(std::span<const earlyout::token_id> ids, state&)
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
#ifdef EARLYOUT_MUST_COMPILE
    void rollback(std::size_t size, state& s) const { s.size = size; }
#endif
    void propose(std::span<const eo::token_id> ids, state& s, eo::draft& out) const { out.push(ids[s.size / 2], 0.1f); }
};

const eo::any_drafter drafter = my_drafter{};
