// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_BEST_OF_HPP
#define EARLYOUT_GENERATE_DRAFTS_BEST_OF_HPP

#include <earlyout/generate/drafts/detail/several_drafters.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Asks several drafters and proposes the draft that promises the most tokens per second, by the acceptance measured
/// for each, whether or not it was chosen. A drafter that drafts at exits runs layers, so name it last: the context
/// plans no draft for it unless it is expected to do better than those before, or to see from time to time whether it
/// does. What it drafts is verified.
template <drafter... Drafters>
class best_of : public detail::several_drafters<Drafters...> {
    using base = detail::several_drafters<Drafters...>;

public:
    using state = typename base::state;

    constexpr explicit best_of(Drafters... drafters) : base(std::move(drafters)...) {}

    void propose(std::span<const token_id> ids, state& states, draft_context& context, draft& out) const {
        double best = 0.0;
        this->for_each(states, [&](const auto& one, auto& its_state, std::size_t first) {
            draft_context its_context = context.at(first).against(best);
            draft made(out.limit());
            earlyout::propose(one, ids, its_state, its_context, made);
            if (made.empty()) return;
            its_context.note(made);
            const double gain = its_context.gain(made);
            if (gain <= best && made.layers() == 0) return;
            best = std::max(best, gain);
            out = made;
            out.set_origin(first + made.origin());
        });
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
