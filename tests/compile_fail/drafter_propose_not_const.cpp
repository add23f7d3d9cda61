// EXPECT: earlyout: a drafter has `void propose(std::span<const earlyout::token_id> ids, earlyout::draft& out) const`
// SPDX-License-Identifier: MIT
#include <earlyout/earlyout.hpp>
#include <earlyout/models/gpt2.hpp>

#include <span>

namespace eo = earlyout;

struct my_drafter {
    int proposals = 0;
#ifdef EARLYOUT_MUST_COMPILE
    void propose(std::span<const eo::token_id> ids, eo::draft& out) const { out.push(ids.back(), 0.1f); }
#else
    void propose(std::span<const eo::token_id> ids, eo::draft& out) {
        if (++proposals % 2 == 0) out.push(ids.back(), 0.1f);
    }
#endif
};

void f(const eo::gpt2<>& model) { eo::session s{model, eo::full_depth(), my_drafter{}}; }
