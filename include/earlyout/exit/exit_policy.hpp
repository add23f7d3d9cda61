// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_EXIT_POLICY_HPP
#define EARLYOUT_EXIT_EXIT_POLICY_HPP

#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/cache_policy.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/heads/shared_head.hpp>

#include <cstddef>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

template <class Plan>
inline constexpr bool is_exit_plan = false;
template <class... Groups>
inline constexpr bool is_exit_plan<exit_plan<Groups...>> = true;

}  // namespace detail

/// Determines how deep a token runs: which gate is evaluated where, which head computes an exit's logits, and how the
/// skipped layers' cache entries are handled.
template <class Plan, class Head = shared_head, class Cache = propagate>
struct exit_policy {
    static_assert(detail::is_exit_plan<Plan>,
                  "earlyout: the first part of an exit_policy is an exit_plan, as in exit_plan{after<3>(gate)}");
    static_assert(exit_head<Head>,
                  "earlyout: the second part of an exit_policy is an exit head, such as shared_head{}");
    static_assert(cache_policy<Cache>,
                  "earlyout: the third part of an exit_policy is a cache policy: propagate{}, defer{} or omit{}");

    using plan_type = Plan;
    using head_type = Head;
    using cache_type = Cache;

    constexpr explicit exit_policy(Plan where, Head with = {}, Cache keep = {})
        : plan(std::move(where)), head(std::move(with)), cache(std::move(keep)) {}

    Plan plan;
    Head head;
    Cache cache;
    std::size_t active_experts = 0;  ///< that a token chooses in each mixture of the model; 0: its own number
};

/// Returns the policy that runs every token to full depth, through the same code.
[[nodiscard]] inline auto full_depth() { return exit_policy{exit_plan{}, shared_head{}, propagate{}}; }

namespace detail {

template <class Policy>
inline constexpr bool is_exit_policy = false;
template <class Plan, class Head, class Cache>
inline constexpr bool is_exit_policy<exit_policy<Plan, Head, Cache>> = true;

/// False when both the plan's exits and the network's layers are known at compile time, and an exit is beyond the last
/// layer.
template <class Network, class Policy>
inline constexpr bool exits_exist = [] {
    if constexpr (requires { Network::static_shape; }) {
        constexpr std::size_t layers = Network::static_shape.layers;
        return layers == 0 || Policy::plan_type::deepest_layer <= layers;
    } else {
        return true;
    }
}();

}  // namespace detail

}}  // namespace earlyout::EARLYOUT_ABI

#endif
