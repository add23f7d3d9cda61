// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_EXIT_GATES_MADE_UP_HPP
#define EARLYOUT_TESTS_EXIT_GATES_MADE_UP_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/exit/gate.hpp>

namespace support {

namespace eo = earlyout;

/// Returns a fixed decision and counts its evaluations.
struct counted {
    static constexpr eo::signal_set signals = eo::no_signals;
    eo::decision result = eo::decision::go_on;
    int* evaluations = nullptr;
    std::size_t widest = 0;

    eo::decision operator()(const auto&) const {
        ++*evaluations;
        return result;
    }
    void check(const eo::model_shape& shape) const {
        if (widest != 0 && shape.d_model > widest) eo::fail(eo::errc::mismatch, "counted: too wide");
    }
};

/// Exits at the n-th exit of a token, and at every exit after `limit` of a sequence.
struct nth_exit {
    static constexpr eo::signal_set signals = eo::signal::hidden_state;
    struct token_state {
        int exits = 0;
    };
    struct sequence_state {
        int exits = 0;
        int limit = 0;
    };
    int n = 1;
    int limit = 1000;

    sequence_state start_sequence() const { return {0, limit}; }
    eo::decision operator()(const auto&, token_state& token, sequence_state& sequence) const {
        ++token.exits;
        ++sequence.exits;
        return token.exits >= n || sequence.exits > sequence.limit ? eo::decision::exit : eo::decision::go_on;
    }
};

}  // namespace support

#endif
