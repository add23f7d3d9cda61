// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_COMPLETION_COUNTER_HPP
#define EARLYOUT_EXAMPLES_SERVE_COMPLETION_COUNTER_HPP

#include <earlyout/generate/completion.hpp>

#include <algorithm>
#include <cstddef>

#include "engine.hpp"

namespace serve {

/// Adds up what completions took.
class completion_counter {
public:
    void add(const eo::completion& done, engine_counts& to) {
        const eo::run_stats& of = done.stats;
        to.prompt_tokens += of.prompt_tokens - std::min(of.prompt_tokens, of.reused_tokens);
        to.reused_tokens += of.reused_tokens;
        to.new_tokens += done.ids.size();
        to.drafted_tokens += of.drafted;
        to.accepted_tokens += of.accepted;
        to.prompt_seconds += of.prefill_seconds;
        to.decode_seconds += of.decode_seconds;
        to.cancelled += done.finish_reason == eo::finish_reason::cancelled ? 1 : 0;
        predictions_ += of.predictions();
        skipped_ += of.layers_skipped() * static_cast<double>(of.predictions());
        to.layers_skipped = predictions_ == 0 ? 0.0 : skipped_ / static_cast<double>(predictions_);
    }

private:
    std::size_t predictions_ = 0;
    double skipped_ = 0.0;
};

}  // namespace serve

#endif
