// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_EXIT_ACCURACY_HPP
#define EARLYOUT_CALIBRATE_EXIT_ACCURACY_HPP

#include <earlyout/core/error.hpp>

#include <cstddef>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// How accurate each exit is, and how early a token could have exited.
struct exit_accuracy {
    std::vector<std::size_t> layers;  ///< the last is full depth
    std::size_t tokens = 0;
    std::vector<std::size_t> right;         ///< per exit: tokens where its arg-max is the next token
    std::vector<std::size_t> agrees;        ///< per exit: tokens where its arg-max equals that of full depth
    std::vector<std::size_t> first_right;   ///< per exit: tokens where it is the first correct exit
    std::vector<std::size_t> first_agrees;  ///< per exit: tokens where it is the first that agrees with full depth
    std::size_t never_right = 0;
    std::vector<double> cross_entropy;  ///< per exit: sum, nats

    /// @param window outputs of every exit: a window_observation or calibration_set
    template <class Observed>
    void add(const Observed& window) {
        if (layers.empty()) {
            for (std::size_t e = 0; e < window.exit_count(); ++e) layers.push_back(window.layer(e));
            for (auto* counts : {&right, &agrees, &first_right, &first_agrees}) counts->assign(layers.size(), 0);
            cross_entropy.assign(layers.size(), 0.0);
        }
        for (std::size_t i = 0; i < window.predictions(); ++i) {
            ++tokens;
            bool was_right = false;
            bool agreed = false;
            for (std::size_t e = 0; e < layers.size(); ++e) {
                const bool is_right = window.right(e, i);
                const bool does_agree = window.agrees(e, i);
                right[e] += is_right;
                agrees[e] += does_agree;
                first_right[e] += is_right && !was_right;
                first_agrees[e] += does_agree && !agreed;
                was_right = was_right || is_right;
                agreed = agreed || does_agree;
                cross_entropy[e] += static_cast<double>(window.cross_entropy(e, i));
            }
            never_right += !was_right;
        }
    }

    /// Adds observations of other texts.
    /// @throws error (mismatch) for different exits
    exit_accuracy& operator+=(const exit_accuracy& more) {
        if (more.layers.empty()) return *this;
        if (layers.empty()) return *this = more;
        if (layers != more.layers) fail(errc::mismatch, "merge: expected the same exits, found others");
        tokens += more.tokens;
        never_right += more.never_right;
        for (std::size_t e = 0; e < layers.size(); ++e) {
            right[e] += more.right[e];
            agrees[e] += more.agrees[e];
            first_right[e] += more.first_right[e];
            first_agrees[e] += more.first_agrees[e];
            cross_entropy[e] += more.cross_entropy[e];
        }
        return *this;
    }
    void archive(auto& a) { a(layers, tokens, right, agrees, first_right, first_agrees, never_right, cross_entropy); }

    /// Returns a count as a share of the tokens.
    [[nodiscard]] double share(std::size_t count) const noexcept {
        return tokens == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(tokens);
    }
    /// Returns the share of layers skipped by an oracle that exits at the first exit agreeing with full depth: 1 - mean
    /// / L.
    [[nodiscard]] double skipped_by_oracle() const noexcept {
        double layers_run = 0.0;
        for (std::size_t e = 0; e < layers.size(); ++e) {
            layers_run += share(first_agrees[e]) * static_cast<double>(layers[e]);
        }
        return layers.empty() || tokens == 0 ? 0.0 : 1.0 - layers_run / static_cast<double>(layers.back());
    }
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
