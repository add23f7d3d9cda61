// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_ANY_CACHE_POLICY_HPP
#define EARLYOUT_EXIT_ANY_CACHE_POLICY_HPP

#include <earlyout/core/function_ref.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/cache_policy.hpp>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A cache policy chosen at run time; propagate by default. Costs one indirect call per token more than the policy it
/// holds.
class any_cache_policy {
public:
    any_cache_policy() : any_cache_policy(earlyout::propagate{}) {}
    /// Holds a copy of the policy.
    template <class Policy>
        requires(!std::is_same_v<std::remove_cvref_t<Policy>, any_cache_policy>)
    // NOLINTNEXTLINE(google-explicit-constructor): implicit conversion is intended
    any_cache_policy(Policy held)
        : cap(held.cap),
          prefill(held.prefill),
          keeps_pending_(earlyout::keeps_pending(held)),
          held_(std::make_shared<const holder<Policy>>(std::move(held))) {
        static_assert(cache_policy<Policy>,
                      "earlyout: any_cache_policy holds a cache policy, such as propagate{}, defer{} or omit{}");
    }

    void before_token(const auto& skipped) const {
        const auto propagate = [&] { skipped.propagate(); };
        const auto omit = [&] { skipped.omit(); };
        const auto defer = [&] { skipped.defer(); };
        held_->before_token({propagate, omit, defer});
    }

    [[nodiscard]] bool run_time_keeps_pending() const noexcept { return keeps_pending_; }

    std::size_t cap;
    earlyout::prefill prefill;

private:
    /// Type-erased skipped_layers of any network.
    class actions {
    public:
        actions(function_ref<void()> propagate, function_ref<void()> omit, function_ref<void()> defer) noexcept
            : propagate_(propagate), omit_(omit), defer_(defer) {}

        void propagate() const { propagate_(); }
        void omit() const { omit_(); }
        void defer() const { defer_(); }

    private:
        function_ref<void()> propagate_;
        function_ref<void()> omit_;
        function_ref<void()> defer_;
    };

    struct interface {
        virtual ~interface() = default;
        virtual void before_token(const actions& skipped) const = 0;
    };
    template <class Policy>
    struct holder final : interface {
        explicit holder(Policy p) : held(std::move(p)) {}
        void before_token(const actions& skipped) const override { held.before_token(skipped); }

        Policy held;
    };

    bool keeps_pending_;
    std::shared_ptr<const interface> held_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
