// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_RUN_STATS_HPP
#define EARLYOUT_GENERATE_RUN_STATS_HPP

#include <earlyout/generate/drafts/drafting.hpp>
#include <earlyout/generate/generation.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Results and cost of one completion, counted as it runs.
struct run_stats {
    std::size_t layers = 0;         ///< of the model
    std::size_t prompt_tokens = 0;  ///< after any cut on the left
    std::size_t cut_tokens = 0;     ///< cut off the prompt (generate_options::cut_prompt)
    std::size_t reused_tokens = 0;  ///< of prompt_tokens, reused from the session's previous completion
    std::size_t new_tokens = 0;
    /// exit_histogram[l]: predictions made after l layers, a final stop included; [layers + 1]
    std::vector<std::size_t> exit_histogram;
    std::size_t stop_layer = 0;  ///< layer at which a gate ended the completion, 0 if none did

    work_count prefill;
    work_count decode;                        ///< caught-up layers of deferred tokens included
    std::uint64_t catch_up_layer_tokens = 0;  ///< layer-tokens of `decode` that earlier tokens had skipped
    std::uint64_t gate_evaluations = 0;
    std::uint64_t head_evaluations = 0;       ///< times the logits of an exit were computed
    std::uint64_t shortlist_evaluations = 0;  ///< times only those of a shortlist were computed
    double prefill_seconds = 0.0;             ///< until the first token's logits
    double decode_seconds = 0.0;              ///< from then on
    double gate_seconds = 0.0;                ///< within the two, including logits computed for a gate
    double head_seconds = 0.0;                ///< within the two: all logits

    /// Tokens that one drafter of a session proposed.
    struct drafter_count {
        std::string name;
        std::uint64_t drafted = 0;
        std::uint64_t accepted = 0;

        void archive(auto& a) { a(name, drafted, accepted); }
    };
    std::uint64_t decode_steps = 0;  ///< after the prompt; each makes one token, or several with drafts
    std::uint64_t draft_rounds = 0;  ///< steps that verified drafted tokens
    std::uint64_t drafted = 0;       ///< tokens that they verified
    std::uint64_t accepted = 0;      ///< of these, produced by the model
    double draft_seconds = 0.0;      ///< within decode_seconds: in drafters
    std::vector<drafter_count> by_drafter;

    /// Returns the predictions made: new tokens, and the one that a stop withheld.
    [[nodiscard]] std::size_t predictions() const noexcept {
        return std::accumulate(exit_histogram.begin(), exit_histogram.end(), std::size_t{0});
    }
    /// Returns the mean over the predictions of the layers that ran for them; 0 without any.
    [[nodiscard]] double mean_exit_layer() const noexcept {
        std::size_t sum = 0;
        for (std::size_t l = 0; l < exit_histogram.size(); ++l) sum += l * exit_histogram[l];
        const std::size_t count = predictions();
        return count == 0 ? 0.0 : static_cast<double>(sum) / static_cast<double>(count);
    }
    /// Returns 1 - mean exit layer / layers (the SEC paper's measure). Layers caught up later are not included; see
    /// `decode.layer_tokens` for those.
    [[nodiscard]] double layers_skipped() const noexcept {
        return layers == 0 || predictions() == 0 ? 0.0 : 1.0 - mean_exit_layer() / static_cast<double>(layers);
    }
    /// Returns new tokens after the first for each step; 1 where nothing was drafted.
    [[nodiscard]] double tokens_per_step() const noexcept {
        return decode_steps == 0 || new_tokens == 0
                   ? 1.0
                   : static_cast<double>(new_tokens - 1) / static_cast<double>(decode_steps);
    }
    /// Returns new tokens per second, after the first.
    [[nodiscard]] double decode_tokens_per_second() const noexcept {
        return new_tokens < 2 || decode_seconds <= 0.0 ? 0.0 : static_cast<double>(new_tokens - 1) / decode_seconds;
    }
};

/// Completes the statistics of a completion with what is derived from its tokens.
/// @param exit_layers of the new tokens
[[nodiscard]] inline run_stats complete_stats(run_stats stats, const step_counts& counts,
                                              std::span<const std::size_t> exit_layers, std::size_t layers,
                                              bool emits_at_stop) {
    stats.layers = layers;
    stats.new_tokens = exit_layers.size();
    stats.exit_histogram.assign(layers + 1, 0);
    for (const std::size_t layer : exit_layers) ++stats.exit_histogram[layer];
    if (stats.stop_layer != 0 && !emits_at_stop) ++stats.exit_histogram[stats.stop_layer];
    stats.catch_up_layer_tokens = counts.catch_up_layer_tokens;
    stats.gate_evaluations = counts.gate_evaluations;
    stats.head_evaluations = counts.head_evaluations;
    stats.shortlist_evaluations = counts.shortlist_evaluations;
    stats.gate_seconds = counts.gate_seconds;
    stats.head_seconds = counts.head_seconds;
    return stats;
}

/// Adds what was drafted to the statistics of a completion.
inline void add_drafts(run_stats& stats, const draft_counts& counts, std::span<const std::string_view> names) {
    stats.draft_rounds = counts.rounds;
    stats.drafted = counts.drafted;
    stats.accepted = counts.accepted;
    stats.draft_seconds = counts.seconds;
    for (std::size_t i = 0; i < std::min(names.size(), counts.drafted_by.size()); ++i) {
        stats.by_drafter.push_back({std::string(names[i]), counts.drafted_by[i], counts.accepted_by[i]});
    }
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
