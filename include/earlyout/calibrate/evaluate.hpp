// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_EVALUATE_HPP
#define EARLYOUT_CALIBRATE_EVALUATE_HPP

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/metrics.hpp>
#include <earlyout/calibrate/shards.hpp>
#include <earlyout/calibrate/workers.hpp>
#include <earlyout/core/function_ref.hpp>
#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/options.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Archives a completion's members, for bytes.
template <class Archive>
void archive(Archive& a, completion& c) {
    run_stats& s = c.stats;
    a(c.text, c.ids, c.exit_layers, c.log_probabilities, c.finish_reason, c.unstreamed, s.layers, s.prompt_tokens,
      s.cut_tokens, s.reused_tokens, s.new_tokens, s.exit_histogram, s.stop_layer, s.prefill.layer_tokens,
      s.prefill.weight_bytes, s.decode.layer_tokens, s.decode.weight_bytes, s.catch_up_layer_tokens, s.gate_evaluations,
      s.head_evaluations, s.shortlist_evaluations, s.prefill_seconds, s.decode_seconds, s.gate_seconds, s.head_seconds,
      s.decode_steps, s.draft_rounds, s.drafted, s.accepted, s.draft_seconds, s.by_drafter);
}

/// Something that completes prompts: a session of any policy.
using completer = function_ref<completion(std::span<const token_id> prompt, const generate_options& options)>;
/// Decodes ids to text, for measures over characters.
using to_text = function_ref<std::string(std::span<const token_id>)>;

/// Results of one way of completing, over all samples.
struct evaluation {
    std::vector<completion> results;  ///< one for each sample

    std::vector<double> rouge_l_of;  ///< of each, compared with the reference

    // Sums over the samples, compared with the reference:
    double rouge_l = 0.0;
    double bleu = 0.0;
    double edit_similarity = 0.0;
    std::size_t exact = 0;  ///< completions equal to the reference token by token

    // Counted over all samples:
    std::size_t layers = 0;
    std::size_t predictions = 0;  ///< number of exits, including that of a stop
    std::size_t layers_run = 0;   ///< sum of the exit layers
    std::size_t new_tokens = 0;
    std::size_t stops = 0;
    std::uint64_t prefill_layer_tokens = 0;
    std::uint64_t layer_tokens = 0;  ///< of decoding, caught-up layers of deferred tokens included
    std::uint64_t weight_bytes = 0;  ///< of decoding
    std::vector<std::size_t> exit_histogram;
    double prefill_seconds = 0.0;
    double decode_seconds = 0.0;
    double head_seconds = 0.0;
    double gate_seconds = 0.0;

    void add(completion done, const sample& s, to_text text) {
        const std::span<const token_id> reference = s.reference;
        rouge_l_of.push_back(calibrate::rouge_l(done.ids, reference));
        rouge_l += rouge_l_of.back();
        bleu += calibrate::bleu(done.ids, reference);
        edit_similarity += calibrate::edit_similarity(text(done.ids), text(reference));
        exact += std::ranges::equal(done.ids, reference);
        const run_stats& stats = done.stats;
        layers = stats.layers;
        exit_histogram.resize(std::max(exit_histogram.size(), stats.exit_histogram.size()));
        for (std::size_t l = 0; l < stats.exit_histogram.size(); ++l) {
            exit_histogram[l] += stats.exit_histogram[l];
            predictions += stats.exit_histogram[l];
            layers_run += l * stats.exit_histogram[l];
        }
        new_tokens += stats.new_tokens;
        stops += done.finish_reason == finish_reason::stopped_by_gate;
        prefill_layer_tokens += stats.prefill.layer_tokens;
        layer_tokens += stats.decode.layer_tokens;
        weight_bytes += stats.decode.weight_bytes;
        prefill_seconds += stats.prefill_seconds;
        decode_seconds += stats.decode_seconds;
        head_seconds += stats.head_seconds;
        gate_seconds += stats.gate_seconds;
        results.push_back(std::move(done));
    }

    /// Appends samples that were completed elsewhere.
    evaluation& operator+=(const evaluation& more) {
        results.insert(results.end(), more.results.begin(), more.results.end());
        rouge_l_of.insert(rouge_l_of.end(), more.rouge_l_of.begin(), more.rouge_l_of.end());
        rouge_l += more.rouge_l;
        bleu += more.bleu;
        edit_similarity += more.edit_similarity;
        exact += more.exact;
        layers = std::max(layers, more.layers);
        predictions += more.predictions;
        layers_run += more.layers_run;
        new_tokens += more.new_tokens;
        stops += more.stops;
        prefill_layer_tokens += more.prefill_layer_tokens;
        layer_tokens += more.layer_tokens;
        weight_bytes += more.weight_bytes;
        exit_histogram.resize(std::max(exit_histogram.size(), more.exit_histogram.size()));
        for (std::size_t l = 0; l < more.exit_histogram.size(); ++l) exit_histogram[l] += more.exit_histogram[l];
        prefill_seconds += more.prefill_seconds;
        decode_seconds += more.decode_seconds;
        head_seconds += more.head_seconds;
        gate_seconds += more.gate_seconds;
        return *this;
    }
    void archive(auto& a) {
        a(results, rouge_l_of, rouge_l, bleu, edit_similarity, exact, layers, predictions, layers_run, new_tokens,
          stops, prefill_layer_tokens, layer_tokens, weight_bytes, exit_histogram, prefill_seconds, decode_seconds,
          head_seconds, gate_seconds);
    }

    [[nodiscard]] double mean(double sum) const noexcept {
        return results.empty() ? 0.0 : sum / static_cast<double>(results.size());
    }
    /// Returns the mean over all predictions, including a first token at full depth, as the SEC paper counts.
    [[nodiscard]] double mean_exit_layer() const noexcept {
        return predictions == 0 ? 0.0 : static_cast<double>(layers_run) / static_cast<double>(predictions);
    }
    [[nodiscard]] double layers_skipped() const noexcept {
        return layers == 0 || predictions == 0 ? 0.0 : 1.0 - mean_exit_layer() / static_cast<double>(layers);
    }
    /// Returns the same over some samples, in which one may occur several times.
    [[nodiscard]] double layers_skipped(std::span<const std::size_t> of) const noexcept {
        std::size_t all = 0, run = 0;
        for (const std::size_t i : of) {
            const auto& histogram = results[i].stats.exit_histogram;
            for (std::size_t l = 0; l < histogram.size(); ++l) {
                all += histogram[l];
                run += l * histogram[l];
            }
        }
        return all == 0 || layers == 0 ? 0.0 : 1.0 - static_cast<double>(run) / static_cast<double>(all * layers);
    }
};

/// Early exits compared with full depth on the same samples, completed alternately.
struct paired_evaluation {
    evaluation early;
    evaluation full;

    paired_evaluation& operator+=(const paired_evaluation& more) {
        early += more.early;
        full += more.full;
        return *this;
    }
    void archive(auto& a) { a(early, full); }

    /// Returns (full - early) / full of the mean ROUGE-L; negative where early exits score higher.
    [[nodiscard]] double rouge_l_loss() const noexcept {
        return full.rouge_l == 0.0 ? 0.0 : (full.rouge_l - early.rouge_l) / full.rouge_l;
    }
    /// Returns the share of new tokens equal to full depth's at the same position, up to the first difference.
    [[nodiscard]] double agreement() const { return agreement(all_samples()); }
    /// Returns the same over some samples, in which one may occur several times; so below.
    [[nodiscard]] double agreement(std::span<const std::size_t> of) const noexcept {
        std::size_t same = 0;
        std::size_t all = 0;
        for (const std::size_t i : of) {
            const auto& a = early.results[i].ids;
            const auto& b = full.results[i].ids;
            same += static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
            all += a.size();
        }
        return all == 0 ? 1.0 : static_cast<double>(same) / static_cast<double>(all);
    }
    /// Returns tokens per second of decoding relative to full depth: the median over nine parts of the samples, in each
    /// of which both sides ran on the machine at the same times.
    [[nodiscard]] double decode_speedup() const { return decode_speedup(all_samples()); }
    [[nodiscard]] double decode_speedup(std::span<const std::size_t> of) const {
        return ratio(of, [](const completion& c) {
            const std::size_t predictions = c.stats.predictions();
            return std::array{c.stats.decode_seconds, static_cast<double>(predictions < 2 ? 0 : predictions - 1)};
        });
    }
    /// Returns the speedup of whole requests, prompt included, over full depth; completions that stop early gain here.
    [[nodiscard]] double request_speedup() const { return request_speedup(all_samples()); }
    [[nodiscard]] double request_speedup(std::span<const std::size_t> of) const {
        return ratio(of, [](const completion& c) {
            return std::array{c.stats.prefill_seconds + c.stats.decode_seconds, 1.0};
        });
    }
    /// Returns the share of full depth's layer-tokens, including those of prompts, that early exits and stops saved.
    [[nodiscard]] double work_saved() const noexcept {
        const auto all = [](const evaluation& e) {
            return static_cast<double>(e.prefill_layer_tokens + e.layer_tokens);
        };
        return all(full) == 0.0 ? 0.0 : 1.0 - all(early) / all(full);
    }
    /// Counts, among the completions that a gate stopped, those that would have been wrong at the next token or were
    /// wrong before: full depth's token there differs from the reference. Completions that should have been stopped and
    /// were not count as false negatives.
    [[nodiscard]] confusion_counts stops(const std::vector<sample>& samples) const {
        return stops(samples, all_samples());
    }
    [[nodiscard]] confusion_counts stops(const std::vector<sample>& samples, std::span<const std::size_t> of) const {
        confusion_counts counts;
        for (const std::size_t i : of) {
            const bool stopped = early.results[i].finish_reason == finish_reason::stopped_by_gate;
            const auto& ids = full.results[i].ids;
            const auto& reference = samples[i].reference;
            const auto wrong = static_cast<std::size_t>(std::ranges::mismatch(ids, reference).in1 - ids.begin());
            if (stopped) {
                counts.add(true, wrong <= early.results[i].ids.size());
            } else {
                counts.add(false, wrong < reference.size());
            }
        }
        return counts;
    }

private:
    static constexpr std::size_t blocks = 9;

    [[nodiscard]] std::vector<std::size_t> all_samples() const {
        std::vector<std::size_t> all(early.results.size());
        std::iota(all.begin(), all.end(), std::size_t{0});
        return all;
    }
    template <class Measure>
    [[nodiscard]] double ratio(std::span<const std::size_t> of, Measure measure) const {
        std::vector<double> ratios;
        for (std::size_t block = 0; block < blocks; ++block) {
            std::array<std::array<double, 2>, 2> sums{};  // of early and full: seconds, steps
            for (std::size_t i = block; i < of.size(); i += blocks) {
                const evaluation* sides[] = {&early, &full};
                for (std::size_t side = 0; side < 2; ++side) {
                    const std::array<double, 2> found = measure(sides[side]->results[of[i]]);
                    sums[side][0] += found[0];
                    sums[side][1] += found[1];
                }
            }
            if (sums[0][0] > 0.0 && sums[0][1] > 0.0 && sums[1][1] > 0.0) {
                ratios.push_back((sums[1][0] / sums[1][1]) / (sums[0][0] / sums[0][1]));
            }
        }
        return median(ratios);
    }
};

namespace detail {

struct completed_part {
    std::vector<completion> early, full;
    void archive(auto& a) { a(early, full); }
};

}  // namespace detail

/// Completes every sample both ways, alternately and greedily. Parts of the samples can be completed elsewhere and
/// merged.
/// @param options stop tokens and the like; max_new_tokens is the length of the references
/// @param among   processes that share the samples; each times its own
[[nodiscard]] inline paired_evaluation evaluate_pair(const std::vector<sample>& samples, completer early,
                                                     completer full, to_text text, generate_options options = {},
                                                     workers* among = nullptr) try {
    const auto complete = [&](std::size_t shard) {
        detail::completed_part part;
        for (const sample& s : shard_of(std::span(samples), shard)) {
            if (options.cancel.stop_requested()) break;
            options.max_new_tokens = s.reference.size();
            // Alternate which side runs first, so that neither always finds the caches as the other left them.
            if ((&s - samples.data()) % 2 == 0) {
                part.early.push_back(early(s.prompt, options));
                part.full.push_back(full(s.prompt, options));
            } else {
                part.full.push_back(full(s.prompt, options));
                part.early.push_back(early(s.prompt, options));
            }
        }
        return part;
    };
    paired_evaluation both;
    for_each_shard(among, complete, [&](std::size_t shard, detail::completed_part part) {
        const std::span<const sample> of = shard_of(std::span(samples), shard);
        for (std::size_t i = 0; i < part.early.size(); ++i) {
            both.early.add(std::move(part.early[i]), of[i], text);
            both.full.add(std::move(part.full[i]), of[i], text);
        }
    });
    return both;
} catch (...) {
    earlyout::detail::rethrow_as_error("evaluate");
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
