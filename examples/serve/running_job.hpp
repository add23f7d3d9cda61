// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_RUNNING_JOB_HPP
#define EARLYOUT_EXAMPLES_SERVE_RUNNING_JOB_HPP

#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/events.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "engine.hpp"
#include "policy_table.hpp"
#include "top_tokens.hpp"

namespace serve {

/// A job in the engine, with what it needs while it runs.
struct running_job {
    using clock = std::chrono::steady_clock;

    job of;
    clock::time_point submitted, started;
    way_to_run way{};
    std::optional<top_tokens> top{};
    std::stop_source cancel{};
    std::optional<std::stop_callback<std::function<void()>>> by_client{}, by_engine{};

    running_job(job wanted, clock::time_point when) : of(std::move(wanted)), submitted(when), started(when) {
        if (of.top_tokens != 0) top.emplace(of.top_tokens);
    }

    /// Returns true if it looks at logits or changes them.
    [[nodiscard]] bool reads_logits() const noexcept { return top || !of.logit_bias.empty(); }
    void read(std::span<const eo::token_id> ids, std::span<float> logits) {
        for (const candidate& c : of.logit_bias) {
            if (std::cmp_less(c.id, logits.size()) && c.id >= 0) {
                logits[static_cast<std::size_t>(c.id)] += c.log_probability;
            }
        }
        if (top) top->record(ids.size(), logits);
    }

    eo::flow report(const eo::token_event& e) {
        if (!of.on_token) return eo::flow::proceed;
        new_token made{.id = e.id,
                       .index = e.index,
                       .piece = std::string(e.piece),
                       .log_probability = e.log_probability,
                       .exit_layer = e.exit_layer,
                       .drafted = e.drafted,
                       .top = {}};
        if (top) made.top = top->at(of.prompt.size() + e.index);
        return of.on_token(made);
    }
    [[nodiscard]] outcome outcome_of(const eo::completion& done) const {
        outcome made{.reason = done.finish_reason,
                     .error = {},
                     .text = done.text,
                     .unstreamed = done.unstreamed,
                     .ids = done.ids,
                     .policy = way.text,
                     .stats = done.stats,
                     .queued_seconds = std::chrono::duration<double>(started - submitted).count()};
        if (done.finish_reason == eo::finish_reason::not_a_number) made.error = "the model's logits are not numbers";
        return made;
    }
    /// Ends the job with what kept it from running.
    void refuse(const std::exception_ptr& error) {
        outcome failed;
        try {
            std::rethrow_exception(error);
        } catch (const std::bad_alloc&) {
            failed.error = "the server has not enough memory for this completion";
        } catch (const std::exception& e) {
            failed.error = e.what();
        }
        if (of.on_end) of.on_end(std::move(failed));
    }
};

}  // namespace serve

#endif
