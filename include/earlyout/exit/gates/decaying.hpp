// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_DECAYING_HPP
#define EARLYOUT_EXIT_GATES_DECAYING_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/gate.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// Trivially copyable, since a copy with another threshold is made at each exit.
template <class Gate>
concept has_threshold = std::is_trivially_copyable_v<Gate> && requires(Gate& g) {
    { g.threshold } -> std::same_as<float&>;
    { Gate::direction } -> std::convertible_to<threshold_direction>;
};

}  // namespace detail

/// A gate that lets later tokens exit more easily, since an early token's error affects all that follow: t(i) = .9 t +
/// .1 t exp(-tau i / max_tokens) (CALM, arXiv 2207.07061, with tau = 4), t being the held gate's threshold. It falls
/// from t towards .9 t; where lower is conservative, as for `entropy`, it rises by as much, from t towards 1.1 t. A
/// negative t moves the same way, by a tenth of its magnitude. A threshold that must never be reached must be out of
/// reach at .9 t too. Costs an exponential.
///
/// i counts positions from the first token of the completion for which this gate is evaluated. That is the first new
/// token, whose own prediction at the end of the prompt was full depth's; the last prompt token with `prefill::lazy`;
/// behind another gate in `and_then`, the first that reached this gate.
template <class Gate>
class decaying {
    static_assert(
        detail::has_threshold<Gate>,
        "earlyout: decaying requires a gate that is trivially copyable, with a public `float threshold` and a "
        "`direction`, such as margin");

public:
    static constexpr signal_set signals = Gate::signals;
    static constexpr threshold_direction direction = Gate::direction;

    struct token_state {
        token_state_of<Gate> held{};
    };
    struct sequence_state {
        sequence_state_of<Gate> held{};
        bool started = false;
        std::size_t first = 0;  ///< position of the first token it was evaluated for
    };

    /// @param max_tokens new tokens over which it decays, such as generate_options::max_new_tokens
    /// @param tau decay rate; 0 keeps the threshold
    /// @throws error (invalid_argument)
    explicit decaying(Gate gate, std::size_t max_tokens, float tau = 4.0f)
        : gate_(std::move(gate)), max_tokens_(max_tokens), tau_(tau) {
        explain_gate<Gate>();
        if (max_tokens == 0) fail(errc::invalid_argument, "decaying: expected max_tokens of at least 1, found 0");
        if (!(tau >= 0.0f)) fail(errc::invalid_argument, "decaying: expected tau >= 0, found ", tau);
    }

    /// Returns t(i).
    [[nodiscard]] float threshold_at(std::size_t index) const noexcept {
        const float time = static_cast<float>(index) / static_cast<float>(max_tokens_);
        const float eased = -0.1f * std::abs(gate_.threshold) * std::expm1(-tau_ * time);
        return direction == threshold_direction::higher_is_conservative ? gate_.threshold - eased
                                                                        : gate_.threshold + eased;
    }

    decision operator()(const signal_view<signals>& s, token_state& token, sequence_state& sequence) const {
        if (!sequence.started) {
            sequence.started = true;
            sequence.first = s.position();
        }
        Gate now = gate_;
        now.threshold = threshold_at(s.position() - sequence.first);
        return detail::call_gate(now, s, token.held, sequence.held);
    }
    [[nodiscard]] sequence_state start_sequence() const { return {.held = earlyout::start_sequence(gate_)}; }
    void check(const model_shape& shape) const { check_gate(gate_, shape); }

private:
    Gate gate_;
    std::size_t max_tokens_;
    float tau_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
