// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_CALIBRATION_SET_HPP
#define EARLYOUT_CALIBRATE_CALIBRATION_SET_HPP

#include <earlyout/calibrate/collect.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Stores the outputs of every exit for every n-th token of a corpus, for fitting gates and heads.
class calibration_set {
public:
    /// @param keep_every n; 1 keeps every token
    explicit calibration_set(std::size_t keep_every = 1) : every_(std::max<std::size_t>(1, keep_every)) {}

    /// Returns the bytes that one stored token takes.
    [[nodiscard]] static std::size_t bytes_of_token(std::size_t exits, std::size_t d_model) noexcept {
        return exits * (d_model * sizeof(float) + sizeof(token_id) + 5 * sizeof(float)) + sizeof(token_id);
    }
    /// Returns the smallest n for which every n-th of the given number of tokens fits into the given number of bytes.
    [[nodiscard]] static std::size_t keep_every_within(std::size_t bytes, std::size_t tokens, std::size_t exits,
                                                       std::size_t d_model) noexcept {
        const std::size_t most = std::max<std::size_t>(1, bytes / bytes_of_token(exits, d_model));
        return std::max<std::size_t>(1, (tokens + most - 1) / most);
    }

    void add(const window_observation& window) {
        if (exits_.empty()) {
            exits_.resize(window.exits.size());
            d_model_ = window.exits.front().hidden.size() / window.tokens.size();
            for (std::size_t e = 0; e < exits_.size(); ++e) exits_[e].layer = window.exits[e].layer;
        }
        for (std::size_t i = 0; i < window.predictions(); ++i) {
            if (seen_++ % every_ != 0) continue;
            truth_.push_back(window.truth(i));
            for (std::size_t e = 0; e < exits_.size(); ++e) {
                const exit_observation& from = window.exits[e];
                one_exit& to = exits_[e];
                const auto row = from.hidden.begin() + static_cast<std::ptrdiff_t>(i * d_model_);
                to.hidden.insert(to.hidden.end(), row, row + static_cast<std::ptrdiff_t>(d_model_));
                to.argmax.push_back(from.argmax[i]);
                to.max_probability.push_back(from.max_probability[i]);
                to.margin.push_back(from.margin[i]);
                to.entropy.push_back(from.entropy[i]);
                to.square_entropy.push_back(from.square_entropy[i]);
                to.cross_entropy.push_back(from.cross_entropy[i]);
            }
        }
    }

    /// Appends observations of other texts.
    /// @throws error (mismatch) for different exits
    calibration_set& operator+=(const calibration_set& more) {
        if (more.exits_.empty()) return *this;
        if (exits_.empty()) {
            d_model_ = more.d_model_;
            exits_.resize(more.exits_.size());
            for (std::size_t e = 0; e < exits_.size(); ++e) exits_[e].layer = more.exits_[e].layer;
        }
        if (exits_.size() != more.exits_.size() || d_model_ != more.d_model_) {
            fail(errc::mismatch, "merge: expected observations of ", exits_.size(), " exits of ", d_model_,
                 " numbers, found ", more.exits_.size(), " of ", more.d_model_);
        }
        const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
        append(truth_, more.truth_);
        for (std::size_t e = 0; e < exits_.size(); ++e) {
            one_exit& to = exits_[e];
            const one_exit& from = more.exits_[e];
            append(to.hidden, from.hidden);
            append(to.argmax, from.argmax);
            append(to.max_probability, from.max_probability);
            append(to.margin, from.margin);
            append(to.entropy, from.entropy);
            append(to.square_entropy, from.square_entropy);
            append(to.cross_entropy, from.cross_entropy);
        }
        return *this;
    }
    void archive(auto& a) { a(every_, seen_, d_model_, exits_, truth_); }

    /// Replaces the stored output of an exit for a token, such as by that of another head. Different threads may
    /// replace different tokens.
    /// @param logits [vocab]
    void recompute_outputs(std::size_t exit, std::size_t i, std::span<const float> logits) noexcept {
        const exit_output output = exit_output::of(logits);
        one_exit& to = exits_[exit];
        to.argmax[i] = output.argmax;
        to.max_probability[i] = output.max_probability;
        to.margin[i] = output.margin;
        to.entropy[i] = output.entropy;
        to.square_entropy[i] = output.square_entropy;
        to.cross_entropy[i] = output.log_sum - logits[static_cast<std::size_t>(truth_[i])];
    }

    [[nodiscard]] std::size_t size() const noexcept { return truth_.size(); }
    /// Replaces the stored output, given as in an observation.
    [[nodiscard]] std::size_t predictions() const noexcept { return size(); }
    [[nodiscard]] std::size_t exit_count() const noexcept { return exits_.size(); }
    [[nodiscard]] std::size_t d_model() const noexcept { return d_model_; }
    /// Returns the layer of an exit; that of the last is the model's depth.
    [[nodiscard]] std::size_t layer(std::size_t exit) const noexcept { return exits_[exit].layer; }
    /// Returns the hidden states at an exit, [size, d_model].
    [[nodiscard]] std::span<const float> hidden(std::size_t exit) const noexcept { return exits_[exit].hidden; }
    /// Returns the hidden state of one token, [d_model].
    [[nodiscard]] std::span<const float> hidden(std::size_t exit, std::size_t i) const noexcept {
        return hidden(exit).subspan(i * d_model_, d_model_);
    }
    [[nodiscard]] token_id truth(std::size_t i) const noexcept { return truth_[i]; }
    [[nodiscard]] token_id argmax(std::size_t exit, std::size_t i) const noexcept { return exits_[exit].argmax[i]; }
    [[nodiscard]] float max_probability(std::size_t exit, std::size_t i) const noexcept {
        return exits_[exit].max_probability[i];
    }
    [[nodiscard]] float margin(std::size_t exit, std::size_t i) const noexcept { return exits_[exit].margin[i]; }
    /// Returns the features that jei_dnn's gates read (jei_features).
    [[nodiscard]] std::array<float, 4> jei_features(std::size_t exit, std::size_t i) const noexcept {
        const one_exit& e = exits_[exit];
        return {e.max_probability[i], e.entropy[i], e.margin[i], e.square_entropy[i]};
    }
    [[nodiscard]] float cross_entropy(std::size_t exit, std::size_t i) const noexcept {
        return exits_[exit].cross_entropy[i];
    }
    [[nodiscard]] bool right(std::size_t exit, std::size_t i) const noexcept { return argmax(exit, i) == truth(i); }
    [[nodiscard]] bool agrees(std::size_t exit, std::size_t i) const noexcept {
        return argmax(exit, i) == argmax(exits_.size() - 1, i);
    }

private:
    struct one_exit {
        std::size_t layer = 0;
        std::vector<float> hidden;
        std::vector<token_id> argmax;
        std::vector<float> max_probability;
        std::vector<float> margin;
        std::vector<float> entropy;
        std::vector<float> square_entropy;
        std::vector<float> cross_entropy;

        void archive(auto& a) {
            a(layer, hidden, argmax, max_probability, margin, entropy, square_entropy, cross_entropy);
        }
    };

    std::size_t every_;
    std::size_t seen_ = 0;
    std::size_t d_model_ = 0;
    std::vector<one_exit> exits_;
    std::vector<token_id> truth_;
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
