// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_OBSERVE_HPP
#define EARLYOUT_EXAMPLES_CLI_OBSERVE_HPP

#include "model.hpp"

#include <earlyout/calibrate/collect.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/decisions.hpp>
#include <earlyout/core/function_ref.hpp>
#include <earlyout/exit/any_head.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

namespace cli {

/// How often what was given a probability came true, for probabilities in ten equal parts of [0, 1].
struct reliability {
    static constexpr std::size_t parts = 10;

    std::array<std::size_t, parts> count{};
    std::array<std::size_t, parts> came_true{};
    std::array<double, parts> sum{};  ///< of the probabilities

    void add(float probability, bool is_true) noexcept;
    [[nodiscard]] std::size_t total() const noexcept;
    /// Mean distance between what was said and what came true: sum of |mean said - share true| over the parts,
    /// weighted by their counts (expected calibration error).
    [[nodiscard]] double error() const noexcept;
};

/// Of one exit, against the true next token.
struct exit_reliability {
    std::size_t layer = 0;
    reliability max_probability;  ///< its arg-max is right
    reliability margin;           ///< the same; a margin is no probability, but gates read it
    reliability sec_exit;         ///< the Stop&Exit gate's p(exit): its arg-max is right
    reliability sec_stop;         ///< p(stop): no exit's arg-max is right
};

/// Every exit on the true text.
struct observation {
    eo::calibrate::exit_accuracy accuracy;
    std::vector<exit_reliability> exits;  ///< of all layers, full depth included
    bool has_sec = false;
    /// Of gates that one threshold decides, at all layers below full depth they have weights for. An exit is deserved
    /// from the first layer whose arg-max is right on, a stop where no layer's is (the SEC paper's labels).
    std::vector<eo::calibrate::decision_sweep> decisions;
};

/// @param head what exits answer with
[[nodiscard]] observation observe(const model& m, const eo::any_head& head,
                                  const std::vector<eo::calibrate::corpus_text>& texts, std::size_t threads,
                                  const std::stop_token& cancel, eo::function_ref<void(std::size_t tokens)> progress);

/// What every layer would have said at each new token, and after the last, given the tokens before it: [new +
/// 1][layer]. Tokens that do not fit the model's context are left out at the front.
[[nodiscard]] std::vector<std::vector<eo::token_id>> answers_of_layers(const model& m, const eo::any_head& head,
                                                                       std::span<const eo::token_id> prompt,
                                                                       std::span<const eo::token_id> produced);

}  // namespace cli

#endif
