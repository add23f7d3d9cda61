// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_CACHE_POLICY_HPP
#define EARLYOUT_EXIT_CACHE_POLICY_HPP

#include <earlyout/core/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// How deep the prompt runs before the first token is sampled.
enum class prefill : std::uint8_t {
    eager,  ///< prompt and first token at full depth, as in the SEC paper
    lazy    ///< as deep as the first token needs; the rest runs only when a token goes deeper
};

namespace detail {

/// Placeholder for a cache policy's argument, for the concept; see skipped_layers.
struct any_skipped_layers {
    void propagate() const;
    void omit() const;
    void defer() const;
};

}  // namespace detail

/// Determines how the layers that a token skipped are handled. `before_token(skipped)` is called before the next token
/// of the sequence enters the first layer, with an object that offers propagate(), omit() and defer(). `cap` is the max
/// number of generated tokens that may be deferred; once it is reached, the next token runs to full depth and catches
/// them up. `prefill` states how deep the prompt runs. The default implementation is propagate. Optional members:
///
/// skipped layers stay pending and may run at any time
///     static constexpr bool keeps_pending = true;
template <class Policy>
concept cache_policy = std::copyable<Policy> && requires(const Policy& policy, detail::any_skipped_layers& skipped) {
    policy.before_token(skipped);
    { policy.prefill } -> std::convertible_to<prefill>;
    { policy.cap } -> std::convertible_to<std::size_t>;
};

/// Returns true for a policy under which the layers that a token skipped may run at any time later, to the same effect.
template <cache_policy Policy>
[[nodiscard]] constexpr bool keeps_pending(const Policy& policy) noexcept {
    if constexpr (requires { policy.run_time_keeps_pending(); }) {
        return policy.run_time_keeps_pending();
    } else {
        return requires { requires Policy::keeps_pending; };
    }
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
