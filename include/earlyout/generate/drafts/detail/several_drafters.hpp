// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DETAIL_SEVERAL_DRAFTERS_HPP
#define EARLYOUT_GENERATE_DRAFTS_DETAIL_SEVERAL_DRAFTERS_HPP

#include <earlyout/generate/drafts/drafter.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// What first_of and best_of share: several drafters that follow the same sequence.
template <drafter... Drafters>
class several_drafters {
    static_assert(sizeof...(Drafters) > 0, "earlyout: a combination has at least one drafter");

public:
    using state = std::tuple<drafter_state_of<Drafters>...>;

    constexpr explicit several_drafters(Drafters... drafters) : drafters_(std::move(drafters)...) {}

    [[nodiscard]] state start(const draft_limits& limits) const {
        return std::apply([&](const auto&... one) { return state(start_drafts(one, limits)...); }, drafters_);
    }
    void append(std::span<const token_id> ids, state& states) const {
        for_each(states, [&](const auto& one, auto& its_state, std::size_t) { append_to_drafts(one, ids, its_state); });
    }
    void rollback(std::size_t size, state& states) const {
        for_each(states, [&](const auto& one, auto& its_state, std::size_t) { rollback_drafts(one, size, its_state); });
    }
    /// Tells the drafter whose draft was verified.
    void learn(const draft_outcome& outcome, state& states) const {
        for_each(states, [&](const auto& one, auto& its_state, std::size_t first) {
            const std::size_t origin = outcome.proposed.origin();
            if (origin < first || origin >= first + drafter_count(one)) return;
            draft its_own = outcome.proposed;
            its_own.set_origin(origin - first);  // it may be a combination itself
            learn_from(one, {its_own, outcome.accepted}, its_state);
        });
    }

    [[nodiscard]] std::size_t count() const noexcept {
        return std::apply([](const auto&... one) { return (drafter_count(one) + ...); }, drafters_);
    }
    [[nodiscard]] std::vector<std::string_view> names() const {
        std::vector<std::string_view> all;
        const auto add = [&](const auto& one) {
            const std::vector<std::string_view> its = drafter_names(one);
            all.insert(all.end(), its.begin(), its.end());
        };
        std::apply([&](const auto&... one) { (add(one), ...); }, drafters_);
        return all;
    }
    [[nodiscard]] bool run_time_uses_exits() const noexcept {
        return std::apply([](const auto&... one) { return (uses_exits(one) || ...); }, drafters_);
    }
    [[nodiscard]] bool proposes_nothing() const noexcept {
        return std::apply([](const auto&... one) { return (earlyout::proposes_nothing(one) && ...); }, drafters_);
    }

protected:
    /// Calls visit(drafter, its state, index of its first origin) for each.
    template <class Visit>
    void for_each(state& states, Visit visit) const {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            std::size_t first = 0;
            ((visit(std::get<I>(drafters_), std::get<I>(states), first),
              first += drafter_count(std::get<I>(drafters_))),
             ...);
        }(std::index_sequence_for<Drafters...>{});
    }

private:
    std::tuple<Drafters...> drafters_;
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
