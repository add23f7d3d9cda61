// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXIT_GATES_COMPOSED_GATE_HPP
#define EARLYOUT_EXIT_GATES_COMPOSED_GATE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/any_gate.hpp>

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Gates composed at run time: the counterpart of any_of and and_then. Each alternative is a chain, in which a gate is
/// evaluated where the one before it decides exit; the decision is that of the first alternative other than continue,
/// but a spent budget before any. All alternatives are evaluated at every exit, so that each updates its state.
class composed_gate {
public:
    /// Max number of gates in all alternatives together.
    static constexpr std::size_t max_gates = 4;
    /// One of the gates.
    using part = basic_any_gate<48, 16>;

    static constexpr signal_set signals = all_signals;
    struct token_state {
        std::array<part::token_state, max_gates> parts{};
    };
    struct sequence_state {
        std::array<part::sequence_state, max_gates> parts{};
    };

    /// @throws error (invalid_argument) without gates, for an empty chain, or for more than max_gates
    explicit composed_gate(std::vector<std::vector<part>> alternatives) : alternatives_(std::move(alternatives)) {
        std::size_t count = 0;
        for (const auto& chain : alternatives_) {
            if (chain.empty()) fail(errc::invalid_argument, "gates: expected at least one in each chain, found none");
            count += chain.size();
        }
        if (count == 0 || count > max_gates) {
            fail(errc::invalid_argument, "gates: expected 1 to ", max_gates, " in one policy, found ", count);
        }
    }

    decision operator()(const signal_view<all_signals>& s, token_state& token, sequence_state& sequence) const {
        decision result = decision::go_on;
        std::size_t first = 0;
        for (const auto& chain : alternatives_) {
            decision made = decision::exit;
            for (std::size_t i = 0; i < chain.size() && made == decision::exit; ++i) {
                made = chain[i](s, token.parts[first + i], sequence.parts[first + i]);
            }
            first += chain.size();
            if (result == decision::go_on || made == decision::spent) result = made;
        }
        return result;
    }

    /// Returns the union of the signals that the gates read.
    [[nodiscard]] signal_set run_time_signals() const noexcept {
        signal_set all;
        for (const auto& chain : alternatives_) {
            for (const part& gate : chain) all = all | gate.run_time_signals();
        }
        return all;
    }
    [[nodiscard]] sequence_state start_sequence() const {
        sequence_state all;
        std::size_t i = 0;
        for (const auto& chain : alternatives_) {
            for (const part& gate : chain) all.parts[i++] = gate.start_sequence();
        }
        return all;
    }
    void check(const model_shape& shape) const {
        for (const auto& chain : alternatives_) {
            for (const part& gate : chain) gate.check(shape);
        }
    }

private:
    std::vector<std::vector<part>> alternatives_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
