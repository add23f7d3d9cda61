// EXPECT: earlyout: a drafter's state is movable, as its sequence is
// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/drafter.hpp>

#include <atomic>
#include <cstddef>
#include <span>

namespace eo = earlyout;

struct my_drafter {
    struct state {
#ifdef EARLYOUT_MUST_COMPILE
        std::size_t size = 0;
#else
        std::atomic<std::size_t> size = 0;
#endif
    };
    void append(std::span<const eo::token_id> ids, state& s) const { s.size += ids.size(); }
    void rollback(std::size_t size, state& s) const { s.size = size; }
    void propose(std::span<const eo::token_id> ids, state&, eo::draft& out) const { out.push(ids.back(), 0.1f); }
};

static_assert((eo::explain_drafter<my_drafter>(), eo::drafter<my_drafter>));
