// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_LABELS_HPP
#define EARLYOUT_CALIBRATE_LABELS_HPP

#include <earlyout/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Target decision of a gate for a token after a layer, numbered as the outputs of sec_gate.
enum class gate_label : std::uint8_t { stop, exit, go_on };

/// Labelling rule: how the target follows from the exits' predictions. All rules but `harmless` label stop where no
/// exit is correct.
enum class label_rule : std::uint8_t {
    paper,    ///< exit from the first correct exit on, even where a deeper one is wrong again (as in SEC's code)
    right,    ///< exit where this exit's own arg-max is the next token
    agrees,   ///< exit where this exit's arg-max is that of full depth
    harmless  ///< exit unless full depth is correct and this exit is not; stop where full depth is wrong
};

/// Returns the rule of that name, or nothing.
[[nodiscard]] inline std::optional<label_rule> find_label_rule(std::string_view name) noexcept {
    if (name == "paper") return label_rule::paper;
    if (name == "right") return label_rule::right;
    if (name == "agrees") return label_rule::agrees;
    if (name == "harmless") return label_rule::harmless;
    return std::nullopt;
}

/// Returns true where the rule labels this exit as one to exit at; ignores stop.
/// @param seen outputs of every exit: a window_observation or calibration_set
template <class Observed>
[[nodiscard]] bool is_correct_exit(const Observed& seen, std::size_t exit, std::size_t i, label_rule rule) {
    switch (rule) {
        case label_rule::paper:
            for (std::size_t e = 0; e <= exit; ++e) {
                if (seen.right(e, i)) return true;
            }
            return false;
        case label_rule::right: return seen.right(exit, i);
        case label_rule::agrees: return seen.agrees(exit, i);
        case label_rule::harmless: return seen.right(exit, i) || !seen.right(seen.exit_count() - 1, i);
    }
    return false;
}

/// Returns the label of token i at an exit.
template <class Observed>
[[nodiscard]] gate_label label_of(const Observed& seen, std::size_t exit, std::size_t i, label_rule rule) {
    const std::size_t count = seen.exit_count();
    bool some_right = seen.right(count - 1, i);
    if (rule != label_rule::harmless) {
        for (std::size_t e = 0; e + 1 < count && !some_right; ++e) some_right = seen.right(e, i);
    }
    if (!some_right) return gate_label::stop;
    return is_correct_exit(seen, exit, i, rule) ? gate_label::exit : gate_label::go_on;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
