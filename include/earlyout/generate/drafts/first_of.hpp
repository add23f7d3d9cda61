// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_FIRST_OF_HPP
#define EARLYOUT_GENERATE_DRAFTS_FIRST_OF_HPP

#include <earlyout/generate/drafts/detail/several_drafters.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Asks several drafters in order and proposes what the first of them has.
template <drafter... Drafters>
class first_of : public detail::several_drafters<Drafters...> {
    using base = detail::several_drafters<Drafters...>;

public:
    using state = typename base::state;

    constexpr explicit first_of(Drafters... drafters) : base(std::move(drafters)...) {}

    void propose(std::span<const token_id> ids, state& states, draft_context& context, draft& out) const {
        this->for_each(states, [&](const auto& one, auto& its_state, std::size_t first) {
            if (!out.empty()) return;
            draft_context its_context = context.at(first);
            earlyout::propose(one, ids, its_state, its_context, out);
            out.set_origin(first + out.origin());
        });
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
