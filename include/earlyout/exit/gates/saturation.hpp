// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_SATURATION_HPP
#define EARLYOUT_EXIT_GATES_SATURATION_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/gate_info.hpp>

#include <earlyout/kernels/dot.hpp>
#include <span>

#include <cmath>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Exits when layers hardly change the hidden state's direction: cos(h, h') = h . h' / (|h| |h'|) >= threshold, h'
/// being the state at the last evaluated exit of this token (CALM, arXiv 2207.07061, "hidden-state saturation").
/// Continues at a token's first exit, and where a state is zero. Reads no logits: costs 3 d_model multiplications, and
/// each exit keeps a copy of d_model numbers for the next.
struct saturation {
    static constexpr signal_set signals = signal::hidden_state | signal::previous_hidden_state;
    static constexpr threshold_direction direction = threshold_direction::higher_is_conservative;

    static constexpr float grid[]{0.99f, 0.98f, 0.95f, 0.9f, 0.85f, 0.8f, 0.7f, 0.6f};
    static constexpr gate_parameter parameters[]{
        {.name = "threshold",
         .meaning = "cosine of the hidden state and that of the previous exit, at least",
         .comparison = ">=",
         .otherwise = 0.9f,
         .min = -1.0f,
         .direction = direction,
         .grid = grid}};
    static constexpr gate_info info{.name = "saturation",
                                    .brief = "exits where layers no longer change the hidden state's direction",
                                    .parameters = parameters};

    float threshold = 0.9f;  ///< a cosine; > 1 never exits, except by rounding

    static constexpr saturation from(std::span<const float> values) noexcept { return {values[0]}; }

    decision operator()(const auto& s) const noexcept {
        const auto previous = s.previous_hidden_state();
        if (!previous) return decision::go_on;
        const std::span<const float> now = s.hidden_state();
        const float lengths = length(now) * length(*previous);
        if (!(lengths > 0.0f)) return decision::go_on;
        const float cosine = kernels::dot(now.data(), previous->data(), now.size()) / lengths;
        return cosine >= threshold ? decision::exit : decision::go_on;
    }

private:
    static float length(std::span<const float> x) noexcept {
        return std::sqrt(kernels::dot(x.data(), x.data(), x.size()));
    }
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
