// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_IDLE_PROMPT_HPP
#define EARLYOUT_EXAMPLES_SERVE_IDLE_PROMPT_HPP

#include <earlyout/core/token.hpp>

#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

#include "policy_table.hpp"

namespace serve {

/// A prompt to compute while there is nothing else to do: the last one that a limit on its time shortened. Whoever
/// types on will ask for a similar one, which then costs little. Only interrupt() may be called from any thread.
class idle_prompt {
public:
    /// Sets the prompt, in place of an older one.
    void set(std::vector<eo::token_id> prompt, way_to_run way) {
        wanted_ = std::move(prompt);
        way_ = std::move(way);
        is_replaced_ = true;
    }
    [[nodiscard]] bool is_wanted() const noexcept { return !wanted_.empty() && !is_running_; }
    [[nodiscard]] bool is_running() const noexcept { return is_running_; }
    [[nodiscard]] const std::vector<eo::token_id>& prompt() const noexcept { return wanted_; }
    [[nodiscard]] const way_to_run& way() const noexcept { return way_; }

    /// Returns what interrupts the computation that begins now.
    [[nodiscard]] std::stop_token begin() {
        const std::lock_guard lock(changing_);
        stop_ = {};
        is_running_ = true;
        is_replaced_ = false;
        return stop_.get_token();
    }
    /// Ends the computation. What was interrupted is wanted again, and continues where it was.
    void end(bool was_interrupted) {
        is_running_ = false;
        if (!was_interrupted && !is_replaced_) wanted_.clear();
    }
    void interrupt() {
        const std::lock_guard lock(changing_);
        stop_.request_stop();
    }

private:
    std::vector<eo::token_id> wanted_;
    way_to_run way_;
    bool is_running_ = false;
    bool is_replaced_ = false;
    std::mutex changing_;  // of the one below
    std::stop_source stop_;
};

}  // namespace serve

#endif
