// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/drafter.hpp>

#include <earlyout/generate/drafts/any_drafter.hpp>
#include <earlyout/generate/drafts/best_of.hpp>
#include <earlyout/generate/session.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "generate/drafts/draft_fakes.hpp"
#include "generate/drafts/drafters_made_up.hpp"
#include "generate/fixtures.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
using support::draft_desk;
using support::drafted_ids;

namespace {

/// A user's drafter, as in the concept's documentation.
struct repeating_drafts {
    void propose(std::span<const eo::token_id> ids, eo::draft& out) const { out.push(ids.back(), 0.1f); }
};

/// A user's drafter with a state: what followed each token the last time.
struct bigram_drafts {
    static constexpr std::string_view name = "bigrams";
    struct state {
        std::vector<eo::token_id> ids;
    };
    state start(const eo::draft_limits& limits) const {
        state made;
        made.ids.reserve(limits.tokens);
        return made;
    }
    void append(std::span<const eo::token_id> ids, state& s) const {
        s.ids.insert(s.ids.end(), ids.begin(), ids.end());
    }
    void rollback(std::size_t size, state& s) const { s.ids.resize(size); }
    void propose(std::span<const eo::token_id> ids, const state& s, eo::draft& out) const {
        for (eo::token_id last = ids.back(); !out.is_full(); out.push(last, 0.7f)) {
            const auto found = std::find(s.ids.rbegin() + 1, s.ids.rend(), last);
            if (found == s.ids.rend()) return;
            last = *(found.base());
        }
    }
};

/// One that may propose anything, also what is no token.
struct wild_drafts {
    struct state {
        std::mt19937 engine{5};
    };
    void append(std::span<const eo::token_id>, state&) const {}
    void rollback(std::size_t, state&) const {}
    void propose(std::span<const eo::token_id>, state& s, eo::draft& out) const {
        for (auto left = s.engine() % 12; left != 0; --left) {
            out.push(static_cast<eo::token_id>(s.engine() % 120) - 10, static_cast<float>(s.engine() % 3));
        }
    }
};

/// Knows how the full model continues, and errs now and then.
struct foreseeing_drafts {
    support::ids whole;
    void propose(std::span<const eo::token_id> ids, eo::draft& out) const {
        for (std::size_t p = ids.size(); p < whole.size() && !out.is_full(); ++p) {
            out.push(p % 7 == 3 ? 96 - whole[p] : whole[p], 0.9f);
        }
    }
};

/// The four forms of propose().
struct with_context {
    void propose(std::span<const eo::token_id>, eo::draft_context& context, eo::draft& out) const {
        if (const auto made = context.exits().predict()) out.push(made->token, 1.0f);
    }
};
struct with_both {
    struct state {
        eo::token_id last = 0;
    };
    void append(std::span<const eo::token_id> ids, state& s) const { s.last = ids.back(); }
    void rollback(std::size_t size, state& s) const { s.last = -static_cast<eo::token_id>(size); }
    void propose(std::span<const eo::token_id>, state& s, eo::draft_context& context, eo::draft& out) const {
        out.push(s.last, 1.0f);
        if (const auto made = context.exits().predict()) out.push(made->token, 1.0f);
    }
};

static_assert(eo::drafter<repeating_drafts> && eo::drafter<bigram_drafts> && eo::drafter<wild_drafts>);
static_assert(eo::drafter<with_context> && eo::drafter<with_both>);
static_assert(std::is_same_v<eo::drafter_state_of<repeating_drafts>, eo::no_draft_state>);
static_assert(std::is_same_v<eo::drafter_state_of<bigram_drafts>, bigram_drafts::state>);

struct proposes_mutably {
    void propose(std::span<const eo::token_id>, eo::draft&) {}
};
struct proposes_a_value {
    eo::draft propose(std::span<const eo::token_id>) const { return {}; }
};
struct forgets_rollback {
    struct state {};
    void append(std::span<const eo::token_id>, state&) const {}
    void propose(std::span<const eo::token_id>, state&, eo::draft&) const {}
};
static_assert(!eo::drafter<int> && !eo::drafter<proposes_mutably> && !eo::drafter<proposes_a_value> &&
              !eo::drafter<forgets_rollback>);

template <class D>
std::vector<eo::token_id> proposed_by(const D& d, draft_desk& desk, eo::drafter_state_of<D>& state) {
    eo::draft_context context = desk.context();
    eo::draft made = support::draft_of({99, 98}, 1.0f, 4);  // of a step before
    eo::propose(d, std::vector<eo::token_id>{1, 2, 3}, state, context, made);
    CHECK(made.origin() == 0);
    return drafted_ids(made);
}

/// Checks that a session with a drafter completes as one without, and returns what it drafted.
template <class D>
eo::run_stats check_lossless(const D& d, const support::ids& prompt, const eo::generate_options& options,
                             const std::vector<double>& costs = {1.0}) {
    eo::session plain{support::small_network()};
    const eo::completion expected = plain.complete(prompt, options);
    eo::session s{support::small_network(), eo::full_depth(), d, eo::session_options{.drafts = {.block_costs = costs}}};
    const eo::completion made = s.complete(prompt, options);
    CHECK(support::same_output(made, expected));
    // A session that was used for something else continues as well.
    (void)s.complete(support::ids{5, 5, 5, 5}, options);
    const eo::completion again = s.complete(prompt, options);
    CHECK(support::same_output(again, expected));
    return made.stats;
}

}  // namespace

TEST_CASE("a drafter of one member function works in a session", "[generate][drafter]") {
    const support::ids prompt{3, 1, 4, 1, 5, 9};
    const eo::run_stats stats = check_lossless(repeating_drafts{}, prompt, {.max_new_tokens = 30});
    CHECK(stats.by_drafter.size() == 1);
    CHECK(stats.by_drafter[0].name == "drafts");
    // Its statements are too modest to be verified at these costs, but the session runs.
    check_lossless(repeating_drafts{}, prompt, {.max_new_tokens = 30}, {1.0, 2.0});
}

TEST_CASE("whatever a drafter proposes, tokens and log-probabilities are the same as without", "[generate][drafter]") {
    std::mt19937 engine(31);
    std::uint64_t drafted = 0;
    for (int round = 0; round < 4; ++round) {
        const support::ids prompt = support::random_prompt(engine, 4 + static_cast<std::size_t>(round) * 5);
        for (const float temperature : {0.0f, 1.0f}) {
            const eo::generate_options options{.max_new_tokens = 35,
                                               .temperature = temperature,
                                               .repetition_penalty = round % 2 == 0 ? 1.0f : 1.2f,
                                               .seed = 9};
            for (const auto& costs : {std::vector<double>{}, {1.0}, {1.0, 1.2, 1.4, 1.6}}) {
                drafted += check_lossless(bigram_drafts{}, prompt, options, costs).drafted;
                drafted += check_lossless(wild_drafts{}, prompt, options, costs).drafted;
                drafted += check_lossless(eo::any_drafter(wild_drafts{}), prompt, options, costs).drafted;
                drafted += check_lossless(eo::best_of(bigram_drafts{}, wild_drafts{}, repeating_drafts{}), prompt,
                                          options, costs)
                               .drafted;
            }
        }
    }
    CHECK(drafted > 200);
}

TEST_CASE("drafted tokens that are right are accepted, and save blocks", "[generate][drafter]") {
    const support::ids prompt{2, 7, 1, 8};
    const eo::generate_options options{.max_new_tokens = 40};
    eo::session plain{support::small_network()};
    support::ids whole = prompt;
    const support::ids made = plain.complete(prompt, options).ids;
    whole.insert(whole.end(), made.begin(), made.end());
    const eo::run_stats stats = check_lossless(foreseeing_drafts{whole}, prompt, options);
    // Of seven tokens in a row one is wrong, except the last new one, which no draft reaches.
    CHECK(stats.accepted >= 30);
    CHECK(stats.draft_rounds <= 8);
    CHECK(stats.by_drafter[0].accepted == stats.accepted);
    CHECK(stats.by_drafter[0].drafted == stats.drafted);
}

TEST_CASE("a drafter's state follows a session's sequence", "[generate][drafter]") {
    const support::recording_drafts d{.proposed = {1, 2}};
    eo::session s{support::small_network(), eo::full_depth(), d, eo::session_options{.drafts = {.block_costs = {1.0}}}};
    const support::ids prompt{3, 1, 4, 1, 5};
    (void)s.complete(prompt, {.max_new_tokens = 10});
    s.start(prompt, {.max_new_tokens = 12});
    for (int i = 0; i < 8; ++i) (void)s.next();
    s.rollback(3);
    while (s.next()) {
    }
    (void)s.complete(support::ids{3, 1, 4, 4}, {.max_new_tokens = 10});
    std::size_t proposals = 0, rollbacks = 0;
    for (const std::string& call : d.take()) {
        CHECK(call != "propose for another sequence");
        proposals += call == "propose" ? 1 : 0;
        rollbacks += call.starts_with("rollback") ? 1 : 0;
    }
    CHECK(proposals > 10);
    CHECK(rollbacks >= 2);
}

TEST_CASE("propose() is called in the form in which a drafter has it, with an empty draft", "[generate][drafter]") {
    draft_desk desk{.exits = support::scripted_exits({{7, 0.5f, 1}, {8, 0.5f, 1}})};
    eo::no_draft_state none;
    CHECK(proposed_by(repeating_drafts{}, desk, none) == std::vector<eo::token_id>{3});
    CHECK(proposed_by(with_context{}, desk, none) == std::vector<eo::token_id>{7});
    with_both::state state;
    eo::append_to_drafts(with_both{}, std::vector<eo::token_id>{1, 2, 3}, state);
    CHECK(proposed_by(with_both{}, desk, state) == std::vector<eo::token_id>{3, 8});
    eo::rollback_drafts(with_both{}, 2, state);
    CHECK(proposed_by(with_both{}, desk, state) == std::vector<eo::token_id>{-2});
    bigram_drafts::state bigrams = eo::start_drafts(bigram_drafts{}, {.tokens = 9, .vocab = 10});
    CHECK(bigrams.ids.capacity() >= 9);
    eo::append_to_drafts(bigram_drafts{}, std::vector<eo::token_id>{3, 4, 3}, bigrams);
    CHECK(proposed_by(bigram_drafts{}, desk, bigrams).front() == 4);
}

TEST_CASE("what a drafter does not declare has a default", "[generate][drafter]") {
    const repeating_drafts plain;
    eo::no_draft_state none = eo::start_drafts(plain, {.tokens = 5, .vocab = 5});
    eo::append_to_drafts(plain, std::vector<eo::token_id>{1}, none);
    eo::rollback_drafts(plain, 0, none);
    eo::learn_from(plain, {support::draft_of({1}, 1.0f), 1}, none);
    CHECK(eo::drafter_count(plain) == 1);
    CHECK(eo::drafter_names(plain) == std::vector<std::string_view>{"drafts"});
    CHECK(eo::drafter_names(bigram_drafts{}) == std::vector<std::string_view>{"bigrams"});
    CHECK_FALSE(eo::uses_exits(plain));
    CHECK(eo::uses_exits(support::planned_exit_drafts{}));
    CHECK_FALSE(eo::proposes_nothing(plain));
}
