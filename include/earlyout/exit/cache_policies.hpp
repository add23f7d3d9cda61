// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_CACHE_POLICIES_HPP
#define EARLYOUT_EXIT_CACHE_POLICIES_HPP

#include <earlyout/core/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// How far the prompt goes before the first token is drawn.
enum class prefill : std::uint8_t {
    eager,  ///< prompt and first token at full depth, as in the SEC paper
    lazy    ///< as deep as the first token needs; the rest runs when, and only when, a token goes deeper
};

/// What the layers that a token skipped keep of it. A policy fills them at once, defers them, or leaves them without.
template <class Policy>
concept cache_policy = std::copyable<Policy> && requires(const Policy& policy) {
    { Policy::defers } -> std::convertible_to<bool>;
    { Policy::omits } -> std::convertible_to<bool>;
    { policy.prefill } -> std::convertible_to<prefill>;
    { policy.cap } -> std::convertible_to<std::size_t>;
};

/// Skipped layers get keys and values computed from the hidden state the token left with (CALM, SEC).
/// Cheap and immediate; deeper tokens later see an approximation.
struct propagate {
    static constexpr bool defers = false;
    static constexpr bool omits = false;
    static constexpr earlyout::prefill prefill = earlyout::prefill::eager;
    static constexpr std::size_t cap = std::numeric_limits<std::size_t>::max();
};

/// Skipped layers run later, for all waiting tokens in one block, when a token needs to go there (FREE,
/// EE-LLM). Exact: deep states equal the full model's on the same tokens.
struct defer {
    static constexpr bool defers = true;
    static constexpr bool omits = false;

    /// Most generated tokens that may wait; at that many the next token goes all the way.
    std::size_t cap = std::numeric_limits<std::size_t>::max();
    earlyout::prefill prefill = earlyout::prefill::eager;
};

/// Skipped layers keep nothing of the token, and deeper tokens do not see it there: a mask for each layer, as in
/// SpecEE. Costs nothing, and their caches stay shorter; what deeper tokens see is not what the model was trained on.
struct omit {
    static constexpr bool defers = false;
    static constexpr bool omits = true;
    static constexpr earlyout::prefill prefill = earlyout::prefill::eager;
    static constexpr std::size_t cap = std::numeric_limits<std::size_t>::max();
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
