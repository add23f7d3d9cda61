// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_EXIT_EXIT_POINT_HPP
#define EARLYOUT_TESTS_EXIT_EXIT_POINT_HPP

#include <earlyout/exit/gate.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace support {

namespace eo = earlyout;

/// One token at one exit, with a hidden state and logits made up by the test; counts how often the head runs.
class exit_point {
public:
    explicit exit_point(std::vector<float> logits, std::vector<float> hidden = {0.0f}, std::size_t layer = 1,
                        std::size_t position = 0)
        : logits_(std::move(logits)), hidden_(std::move(hidden)), signals_(hidden_.size(), logits_.size()) {
        signals_.set_head(head_);
        signals_.start_token(position);
        signals_.arrive(layer, hidden_);
    }
    exit_point(const exit_point&) = delete;
    exit_point& operator=(const exit_point&) = delete;

    eo::exit_signals& signals() { return signals_; }
    std::size_t heads_run() const { return heads_run_; }

    /// The gate's decision, with states of its own.
    template <class Gate>
    eo::decision ask(const Gate& gate) {
        eo::token_state_of<Gate> token{};
        auto sequence = eo::start_sequence(gate);
        return eo::evaluate(gate, signals_, token, sequence);
    }

private:
    struct head {
        exit_point* self;
        void operator()(std::size_t, std::span<const float>, std::span<float> logits) const {
            ++self->heads_run_;
            for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = self->logits_[i];
        }
    };

    std::vector<float> logits_;
    std::vector<float> hidden_;
    std::size_t heads_run_ = 0;
    head make_{this};
    eo::exit_signals::head_function head_ = make_;
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
