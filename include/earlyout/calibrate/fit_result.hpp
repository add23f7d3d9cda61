// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_FIT_RESULT_HPP
#define EARLYOUT_CALIBRATE_FIT_RESULT_HPP

#include <earlyout/calibrate/exit_accuracy.hpp>
#include <earlyout/calibrate/fit_heads.hpp>
#include <earlyout/calibrate/fitted_gate.hpp>
#include <earlyout/calibrate/measured_policy.hpp>
#include <earlyout/calibrate/policy_front.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/generate/step_costs.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// What was read from one part of the texts.
struct collected_part {
    std::size_t texts = 0;
    std::size_t tokens = 0;
    std::size_t kept = 0;
    std::size_t kept_bytes = 0;
    double seconds = 0.0;
    exit_accuracy exits;
};

/// Fitted heads, and the accuracy of the exits on texts that nothing was fitted to.
struct heads_result {
    std::string kind;
    double seconds = 0.0;
    std::vector<fitted_head> fitted;
    exit_accuracy before;  ///< through the model's own output
    exit_accuracy after;
};

/// Complete result of a fit.
struct fit_result {
    std::size_t texts = 0;
    std::uint64_t texts_hash = 0;  ///< of their contents, independent of their order
    std::size_t samples = 0;
    double loss_target = 0.0;
    collected_part fit;
    collected_part validation;
    std::optional<heads_result> heads;
    std::vector<fitted_gate> gates;
    step_costs costs;                    ///< of the model's steps on this machine
    std::vector<gate_choice> choices;    ///< one for each gate
    std::vector<front_policy> front;     ///< of all that was tried
    exit_weights exits{"fitted exits"};  ///< what to store beside the model

    /// Returns the fastest of the chosen policies; nullptr where none was found.
    [[nodiscard]] const gate_choice* best() const noexcept {
        const gate_choice* found = nullptr;
        for (const gate_choice& choice : choices) {
            if (choice.found && (found == nullptr || choice.chosen.speedup > found->chosen.speedup)) found = &choice;
        }
        return found;
    }
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
