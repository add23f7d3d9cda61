// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_HEAD_CALLS_HPP
#define EARLYOUT_GENERATE_DETAIL_HEAD_CALLS_HPP

#include <earlyout/exit/shortlist.hpp>
#include <earlyout/generate/run_stats.hpp>
#include <earlyout/generate/sequence.hpp>

#include <chrono>
#include <cstddef>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// What a session's exits get their logits from: the policy's head over the sequence, counted and timed.
template <class Network, class Policy>
class head_calls {
    struct context {
        const Policy* policy;
        sequence<Network>* tokens;
        run_stats* stats;

        /// The head, with `own` for the model's own output.
        template <class Own>
        void call(std::size_t layer, std::span<const float> hidden, std::span<float> logits, const Own& own) const {
            policy->head(layer, hidden, logits, tokens->output_for_head(own));
        }
        /// Adds the time that body() takes.
        template <class Body>
        void timed(Body body) const {
            using clock = std::chrono::steady_clock;
            const clock::time_point asked = clock::now();
            body();
            stats->head_seconds += std::chrono::duration<double>(clock::now() - asked).count();
        }
    };

public:
    /// All must outlive the calls.
    head_calls(const Policy& policy, sequence<Network>& tokens, run_stats& stats) noexcept
        : all{{&policy, &tokens, &stats}}, summary{all.of}, few{all.of}, keep{all.of} {}
    head_calls(const head_calls&) = delete;
    head_calls& operator=(const head_calls&) = delete;

    /// True where a head's logits are the model's own output of some row, so that they can be summarised as they are
    /// made.
    static constexpr bool summarizes =
        requires { requires Policy::head_type::through_output; } && !is_shortlist<typename Policy::head_type>;

    /// Logits of all tokens.
    struct {
        context of;
        void operator()(std::size_t layer, std::span<const float> hidden, std::span<float> logits) const {
            ++of.stats->head_evaluations;
            of.timed([&] {
                of.call(layer, hidden, logits,
                        [&](std::span<const float> row, std::span<float> out) { of.tokens->output(row, out); });
            });
        }
    } all;
    /// What matters of them.
    struct {
        context of;
        kernels::logit_summary operator()(std::size_t layer, std::span<const float> hidden) const {
            kernels::logit_summary found;
            ++of.stats->head_evaluations;
            of.timed([&] {
                of.call(layer, hidden, {},
                        [&](std::span<const float> row, std::span<float>) { found = of.tokens->output_summary(row); });
            });
            return found;
        }
    } summary;
    /// Logits of a shortlist.
    struct {
        context of;
        void operator()(std::size_t layer, std::span<const float> hidden, std::span<float> logits) const {
            ++of.stats->shortlist_evaluations;
            of.timed([&] {
                of.call(layer, hidden, logits,
                        [&](std::span<const float> row, std::span<float> out) { of.tokens->kept_output(row, out); });
            });
        }
    } few;
    /// Copies a shortlist's rows.
    struct {
        context of;
        void operator()(std::span<const token_id> ids) const {
            of.timed([&] { of.tokens->keep_outputs(ids); });
        }
    } keep;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
