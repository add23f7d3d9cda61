// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_EXIT_EXIT_POINT_HPP
#define EARLYOUT_TESTS_EXIT_EXIT_POINT_HPP

#include <earlyout/exit/gate.hpp>
#include <earlyout/exit/logit_source.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace support {

namespace eo = earlyout;

/// One token at one exit, with a hidden state and logits made up by the test; counts how often the head runs.
class exit_point : public eo::logit_source {
public:
    explicit exit_point(std::vector<float> logits, std::vector<float> hidden = {0.0f}, std::size_t layer = 1,
                        std::size_t position = 0)
        : logits_(std::move(logits)), hidden_(std::move(hidden)), signals_(hidden_.size(), logits_.size()) {
        signals_.start_token(position);
        signals_.begin_exit(layer, hidden_, *this);
    }
    exit_point(const exit_point&) = delete;
    exit_point& operator=(const exit_point&) = delete;

    eo::exit_signals& signals() { return signals_; }
    std::size_t heads_run() const { return heads_run_; }

    /// Evaluates a gate with the given states.
    template <class Gate>
    eo::decision ask(const Gate& gate) {
        eo::token_state_of<Gate> token{};
        auto sequence = eo::start_sequence(gate);
        return eo::evaluate(gate, signals_, token, sequence);
    }

    /// Moves on to another exit with the same logits.
    void move_on(std::size_t layer, const std::vector<float>& hidden) {
        signals_.end_exit();
        signals_.begin_exit(layer, hidden, *this);
    }
    std::size_t summaries() const { return summaries_; }

    void logits(std::size_t, std::span<const float>, std::span<float> out) override {
        ++heads_run_;
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = logits_[i];
    }
    eo::kernels::logit_summary summary(std::size_t, std::span<const float>) override {
        ++summaries_;
        std::vector<eo::kernels::logit_summary> blocks(logits_.size() / eo::kernels::summary_block + 1);
        return eo::kernels::summarize(logits_.data(), logits_.size(), blocks);
    }
    void set_shortlist(std::span<const eo::token_id>) override {}
    void shortlist_logits(std::size_t, std::span<const float>, std::span<float>) override {}

private:
    std::vector<float> logits_;
    std::vector<float> hidden_;
    std::size_t heads_run_ = 0;
    std::size_t summaries_ = 0;
    eo::exit_signals signals_;
};

/// softmax in double precision.
inline std::vector<double> probabilities(const std::vector<float>& logits) {
    double sum = 0.0;
    std::vector<double> p;
    for (const float x : logits) p.push_back(std::exp(static_cast<double>(x)));
    for (const double e : p) sum += e;
    for (double& e : p) e /= sum;
    return p;
}

}  // namespace support

#endif
