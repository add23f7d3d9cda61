// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_GENERATE_DRAFTS_DRAFTER_CHECKS_HPP
#define EARLYOUT_TESTS_GENERATE_DRAFTS_DRAFTER_CHECKS_HPP

#include <earlyout/generate/drafts/drafter.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/catch.hpp"
#include "support/counted_allocations.hpp"
#include "support/random.hpp"

namespace support {

inline bool same_draft(const earlyout::draft& a, const earlyout::draft& b) {
    return std::ranges::equal(a.ids(), b.ids()) && std::ranges::equal(a.probabilities(), b.probabilities()) &&
           a.match() == b.match();
}

/// What every drafter promises: a state that was rolled back proposes what one does that never saw the removed tokens,
/// proposals are tokens of the vocabulary and change nothing, and nothing is allocated after start.
template <earlyout::drafter D>
void check_drafter(const D& d, std::size_t rounds = 200) {
    constexpr std::size_t max_tokens = 120, vocab = 6;
    random_source random(11);
    const earlyout::draft_limits limits{.tokens = max_tokens, .vocab = vocab};
    auto state = earlyout::start_drafts(d, limits);
    std::vector<earlyout::token_id> sequence;
    sequence.reserve(max_tokens);
    std::size_t proposed = 0;
    for (std::size_t round = 0; round < rounds; ++round) {
        const auto more = random.tokens(std::min(random.index(12), max_tokens - sequence.size()), vocab);
        const std::size_t from = sequence.size();
        sequence.insert(sequence.end(), more.begin(), more.end());
        const std::size_t left = random.index(4) == 0 ? random.index(sequence.size() + 1) : sequence.size();
        earlyout::draft found, again;
        const std::size_t allocations = allocations_of([&] {
            earlyout::append_to_drafts(d, std::span(sequence).subspan(from), state);
            earlyout::rollback_drafts(d, left, state);
            if (left == 0) return;
            d.propose(std::span<const earlyout::token_id>(sequence).first(left), state, found);
            d.propose(std::span<const earlyout::token_id>(sequence).first(left), state, again);
        });
        CHECK(allocations == 0);
        sequence.resize(left);
        if (sequence.empty()) continue;
        auto fresh = earlyout::start_drafts(d, limits);
        earlyout::append_to_drafts(d, sequence, fresh);
        earlyout::draft expected;
        d.propose(sequence, fresh, expected);
        CHECK(same_draft(found, expected));
        CHECK(same_draft(found, again));
        CHECK(std::ranges::all_of(found.ids(), [](auto id) { return id >= 0 && id < earlyout::token_id{vocab}; }));
        proposed += found.size();
    }
    CHECK(proposed > 0);
}

}  // namespace support

#endif
