// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_ENGINE_HPP
#define EARLYOUT_EXAMPLES_SERVE_ENGINE_HPP

#include <earlyout/core/function_ref.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/events.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/run_stats.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// @file What the server asks of an engine: completions of token ids, any number at once. It knows nothing of HTTP or
/// JSON.

namespace serve {

namespace eo = earlyout;

/// A token and its probability.
struct candidate {
    eo::token_id id = 0;
    float log_probability = 0.0f;
};

/// One token of a running completion. As eo::token_event, but it owns its text.
struct new_token {
    eo::token_id id = 0;
    std::size_t index = 0;  ///< among the new tokens, from 0
    std::string piece;      ///< text that became final with this token
    float log_probability = 0.0f;
    std::size_t exit_layer = 0;
    bool drafted = false;
    std::vector<candidate> top;  ///< the likeliest tokens in its place, if the job asked for them
};

/// How a completion ended.
struct outcome {
    eo::finish_reason reason = eo::finish_reason::max_new_tokens;
    std::string error;       ///< why there is no completion; empty: there is one
    std::string text;        ///< of the new tokens, without special ones
    std::string unstreamed;  ///< end of `text` that no token carried
    std::vector<eo::token_id> ids;
    std::string policy;  ///< that it followed, in full
    eo::run_stats stats;
    double queued_seconds = 0.0;  ///< before the first of its tokens ran
};

/// What a prompt costs at present.
struct prompt_costs {
    double token_seconds = 0.0;  ///< that a token takes; 0: not known yet
    /// How many of a prompt's first tokens cost nothing, because they were computed before.
    eo::function_ref<std::size_t(std::span<const eo::token_id>)> reusable;
};

/// One completion to run. Both callbacks are called on the engine's thread and must return quickly; on_end exactly
/// once, after every on_token.
struct job {
    std::vector<eo::token_id> prompt;     ///< at least one, at most the context
    eo::generate_options options{};       ///< `cancel` is checked between layers
    bool prefill_only = false;            ///< computes and keeps the prompt, generates nothing
    bool reuse_prefix = true;             ///< start from what earlier completions left; the output is the same
    std::optional<std::size_t> slot{};    ///< which sequence to use; none: any
    std::string policy{};                 ///< text of an exit policy{}; empty: the engine's
    std::string drafts{};                 ///< text of drafters; empty: the engine's
    std::vector<candidate> logit_bias{};  ///< added to logits; -infinity forbids the token
    std::size_t top_tokens = 0;           ///< candidates to report with each token
    /// Returns what to run of the prompt; called once, on the engine's thread. What it omits is computed when there is
    /// nothing else to do. Empty: all of it.
    std::function<std::vector<eo::token_id>(const prompt_costs&)> shorten{};
    std::function<eo::flow(const new_token&)> on_token{};
    std::function<void(outcome)> on_end{};
};

/// State of one slot, for /slots.
struct slot_state {
    std::size_t id = 0;
    bool is_busy = false;
    std::size_t prompt_tokens = 0;
    std::size_t new_tokens = 0;
    std::size_t cached_tokens = 0;
};

/// Counted since the engine started, for /metrics.
struct engine_counts {
    std::uint64_t prompt_tokens = 0;  ///< computed, not reused
    std::uint64_t reused_tokens = 0;
    std::uint64_t new_tokens = 0;
    std::uint64_t rounds = 0;  ///< steps, each over all running sequences
    std::uint64_t layer_tokens = 0;
    std::uint64_t weight_bytes = 0;
    std::uint64_t drafted_tokens = 0;
    std::uint64_t accepted_tokens = 0;
    std::uint64_t cancelled = 0;
    double prompt_seconds = 0.0;
    double decode_seconds = 0.0;
    double layers_skipped = 0.0;  ///< mean over new tokens
    std::size_t running = 0;      ///< completions now
    std::size_t waiting = 0;
    std::size_t kv_bytes_used = 0;
    std::size_t kv_bytes_max = 0;
};

/// Runs completions. All members may be called from any thread.
class engine {
public:
    engine() = default;
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    virtual ~engine() = default;

    /// Checks a job without running it: options, policy, drafts, the prompt's ids and size.
    /// @throws earlyout::error naming what is wrong
    virtual void check(const job& wanted) const = 0;
    /// Queues a job. One that fails check() ends with an error.
    virtual void submit(job wanted) = 0;
    [[nodiscard]] virtual std::size_t slots() const = 0;
    [[nodiscard]] virtual std::vector<slot_state> slot_states() const = 0;
    [[nodiscard]] virtual engine_counts counts() const = 0;
};

}  // namespace serve

#endif
