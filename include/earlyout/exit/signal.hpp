// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_SIGNAL_HPP
#define EARLYOUT_EXIT_SIGNAL_HPP

#include <earlyout/core/config.hpp>

#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Something a gate may read besides layer, position and new tokens, which are always visible.
enum class signal : std::uint32_t {
    hidden_state = 1u << 0,           ///< the residual stream after this layer, [d_model]
    logits = 1u << 1,                 ///< this exit's logits, [vocab]
    argmax = 1u << 2,                 ///< token with the largest logit
    max_probability = 1u << 3,        ///< p1, probability of that token
    margin = 1u << 4,                 ///< p1 - p2
    entropy = 1u << 5,                ///< -sum p log p, nats
    previous_hidden_state = 1u << 6,  ///< the residual stream at the last evaluated exit of this token
    previous_argmax = 1u << 7,        ///< argmax at the last evaluated exit of this token
    divergence = 1u << 8              ///< KL(p || p'), p' at the last evaluated exit of this token, nats
};

/// A set of signals, usable as a template argument.
struct signal_set {
    std::uint32_t bits = 0;

    constexpr signal_set() noexcept = default;
    // NOLINTNEXTLINE(google-explicit-constructor): a signal is a set of one
    constexpr signal_set(signal s) noexcept : bits(static_cast<std::uint32_t>(s)) {}
    constexpr explicit signal_set(std::uint32_t all) noexcept : bits(all) {}

    [[nodiscard]] constexpr bool contains(signal s) const noexcept {
        return (bits & static_cast<std::uint32_t>(s)) != 0;
    }
    /// Returns true for a set with anything that is computed from an exit's logits.
    [[nodiscard]] constexpr bool reads_logits() const noexcept {
        constexpr auto others = static_cast<std::uint32_t>(signal::hidden_state) |
                                static_cast<std::uint32_t>(signal::previous_hidden_state) |
                                static_cast<std::uint32_t>(signal::previous_argmax);
        return (bits & ~others) != 0;
    }
    friend constexpr signal_set operator|(signal_set a, signal_set b) noexcept { return signal_set(a.bits | b.bits); }
    friend constexpr bool operator==(signal_set, signal_set) = default;
};

[[nodiscard]] constexpr signal_set operator|(signal a, signal b) noexcept { return signal_set(a) | signal_set(b); }

/// No signals: for a gate that reads layer and position only.
inline constexpr signal_set no_signals{};
/// Every signal.
inline constexpr signal_set all_signals{(1u << 9) - 1};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
