// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_EXIT_EXIT_WALK_HPP
#define EARLYOUT_TESTS_EXIT_EXIT_WALK_HPP

#include <earlyout/exit/gate.hpp>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace support {

namespace eo = earlyout;

/// Tokens that reach exits after layers 1, 2, ..., with hidden states and logits made up by the test.
class exit_walk : public eo::logit_source {
public:
    using rows = std::vector<std::vector<float>>;

    /// @param logits at each exit
    /// @param hidden at each exit; default: a single 0
    explicit exit_walk(rows logits, rows hidden = {})
        : logits_(std::move(logits)),
          hidden_(hidden.empty() ? rows(logits_.size(), {0.0f}) : std::move(hidden)),
          signals_(hidden_.front().size(), logits_.front().size()) {}
    exit_walk(const exit_walk&) = delete;
    exit_walk& operator=(const exit_walk&) = delete;

    /// Returns the gate's decisions at all exits, including those after an exit.
    template <class Gate>
    std::vector<eo::decision> ask(const Gate& gate, eo::sequence_state_of<Gate>& sequence, std::size_t position = 0) {
        std::vector<eo::decision> made;
        eo::token_state_of<Gate> token{};
        signals_.start_token(position);
        for (std::size_t i = 0; i < logits_.size(); ++i) {
            if (i != 0) signals_.end_exit();
            signals_.begin_exit(i + 1, hidden_[i], *this);
            made.push_back(eo::evaluate(gate, signals_, token, sequence));
        }
        return made;
    }
    template <class Gate>
    std::vector<eo::decision> ask(const Gate& gate) {
        auto sequence = eo::start_sequence(gate);
        return ask(gate, sequence);
    }
    std::size_t heads_run() const { return heads_run_; }

    void logits(std::size_t layer, std::span<const float>, std::span<float> out) override {
        ++heads_run_;
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = logits_[layer - 1][i];
    }
    eo::kernels::logit_summary summary(std::size_t, std::span<const float>) override { return {}; }
    void set_shortlist(std::span<const eo::token_id>) override {}
    void shortlist_logits(std::size_t, std::span<const float>, std::span<float>) override {}

private:
    rows logits_;
    rows hidden_;
    std::size_t heads_run_ = 0;
    eo::exit_signals signals_;
};

}  // namespace support

#endif
