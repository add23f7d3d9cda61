// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_COMPLETION_JOB_HPP
#define EARLYOUT_GENERATE_COMPLETION_JOB_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/events.hpp>
#include <earlyout/generate/options.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A completion for a scheduler to run.
template <class Policy, class Drafter>
struct completion_job {
    std::vector<token_id> prompt;
    generate_options options;
    std::shared_ptr<const Policy> policy;
    std::shared_ptr<const Drafter> drafter;
    bool reuses_prefix = true;  ///< begins with what earlier sequences hold; the output is the same
    bool only_prefill = false;  ///< computes and keeps the prompt, predicts nothing
    /// Called when the job gets a sequence to run in. Must not throw.
    std::function<void()> on_start{};
    /// Called for each token, in order. Must not throw. None: not called.
    std::function<flow(const token_event&)> on_token{};
    /// Called once, after the last token. Must not throw.
    std::function<void(const completion&)> on_end{};
    /// Called instead of on_end with what kept the completion from beginning or going on, such as a lack of memory.
    /// Must not throw. None: scheduler::run() throws it.
    std::function<void(const std::exception_ptr&)> on_error{};
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
