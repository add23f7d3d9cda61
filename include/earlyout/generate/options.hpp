// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_OPTIONS_HPP
#define EARLYOUT_GENERATE_OPTIONS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/core/stop_flag.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/nn/kv_format.hpp>
#include <earlyout/nn/kv_pool.hpp>
#include <earlyout/nn/layer_token.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A step of sampling; generate_options::filters puts them in order.
enum class sample_filter : std::uint8_t {
    penalties,    ///< repetition_penalty
    temperature,  ///< temperature; 0: the most likely token of those left
    top_k,
    top_p,
    min_p,
    infill  ///< ends a missing middle sooner, and drops weak tokens: infill_vocabulary explains it
};

/// What the filter `infill` reads of a vocabulary. Let n tokens be left, of which those that end a text have the
/// probability e. If 3 n e > 1 - e, only these are kept. Otherwise, of two tokens whose texts begin with one another
/// the likelier takes the other's probability; then texts below 0.2 are dropped, and without any left the answer is
/// `end`; then those below 1 / (texts left + 1) of what remains. (llama.cpp's sampler of that name; of more than
/// 64 texts the likeliest 64 are merged.)
struct infill_vocabulary {
    std::vector<std::string_view> pieces;  ///< text of each token, [vocab]; empty: it has none
    std::vector<std::uint8_t> ends;        ///< 1: the token ends a text, [vocab]
    token_id end = 0;                      ///< ends a middle
};

/// One completion's options.
struct generate_options {
    std::size_t max_new_tokens = 64;

    // Sampling. The names mean the same as in Hugging Face's `generate`, and are applied in its order: repetition
    // penalty, temperature, top-k, top-p, min-p.
    float temperature = 0.0f;         ///< 0: always the most likely token
    std::size_t top_k = 0;            ///< keep the k most likely tokens and ties; 0: all
    float top_p = 1.0f;               ///< keep the fewest most likely tokens whose probabilities add up to this; 0: one
    float min_p = 0.0f;               ///< drop tokens less likely than this times the most likely one
    float repetition_penalty = 1.0f;  ///< > 1 makes tokens of the prompt and the completion less likely
    std::uint64_t seed = 0;           ///< the same seed samples the same tokens
    /// The filters to apply, in this order, before a token is drawn; the others are not applied. Empty: all but
    /// `infill`, in the order above.
    std::vector<sample_filter> filters{};
    const infill_vocabulary* infill = nullptr;  ///< for the filter of that name; must outlive the completion

    /// Experts that a token chooses in each mixture of the model; 0: as the policy says, or else the model's own
    /// number.
    std::size_t active_experts = 0;

    // When to end.
    /// End before any of these, none of them empty; they are not part of the text. A special token in one matches that
    /// token, whose text is otherwise not shown.
    std::vector<std::string> stop_strings{};
    std::optional<std::vector<token_id>> end_of_text{};       ///< replaces the model's own; empty: none
    std::vector<token_id> more_end_of_text{};                 ///< in addition to those
    std::optional<std::chrono::duration<double>> max_time{};  ///< since the call; checked after every token
    stop_flag cancel{};                                       ///< checked inside prefill and between layers
    bool emit_at_stop = false;  ///< when a gate stops the completion, emit that exit's arg-max as the last token

    bool plain_text = false;  ///< encode special tokens in a text as plain text, as for a user's files

    /// Changes logits before anything reads them, at exits too: adds a bias, forbids tokens (-infinity), follows a
    /// grammar. Called with the ids so far, the prompt's included, and the logits, [vocab]. Must not throw.
    std::function<void(std::span<const token_id> ids, std::span<float> logits)> on_logits{};
    /// Called after each layer with the tokens that ran through it and their hidden states after it. Nothing is drafted
    /// while it is set. Must not throw.
    std::function<void(std::size_t layer, std::span<const layer_token> tokens)> after_layer{};

    /// Drop the start of a prompt that is longer than the capacity, instead of refusing it, such that `max_new_tokens`,
    /// or a quarter of the capacity if that is fewer, fit after the rest. The model's prefix of every text is kept. A
    /// prompt that fits is not cut. A fill-in-the-middle prompt keeps its control tokens and the text around the
    /// middle.
    bool cut_prompt = false;
};

/// Returns how many tokens of a longer prompt `cut_prompt` keeps.
[[nodiscard]] constexpr std::size_t kept_of_long_prompt(std::size_t capacity, const generate_options& o) noexcept {
    // The last new token needs no position: nothing is predicted from it.
    return capacity + 1 - std::clamp<std::size_t>(o.max_new_tokens, 1, std::max<std::size_t>(1, capacity / 4));
}

/// How a session with a drafter drafts.
struct draft_options {
    std::size_t max_tokens =
        15;  ///< of one draft, at most draft::max_size; the planner drafts fewer where that is faster
    /// c(1), c(2), ...: cost of a block of 1, 2, ... tokens, the last also of larger ones; empty: measured as blocks
    /// run
    std::vector<double> block_costs{};
};

/// Resources a session uses: memory, threads, KV format.
struct session_options {
    std::size_t capacity = 0;         ///< max tokens of prompt and completion; 0: the model's context, at most 4096
    std::size_t threads = 1;          ///< its own threads, including the caller's
    std::size_t prefill_threads = 0;  ///< the same for the prompt, where more may be faster; 0: as many
    std::size_t block = 128;          ///< max tokens that run through a layer together
    kv_format kv{};                   ///< of keys and values, rounded: f16{}, bf16{} half the bytes, int8{} a quarter
    /// Pages of keys and values to share with snapshots, in its own format; empty: the session has its own. One thread
    /// at a time may use sessions that share a pool.
    std::shared_ptr<kv_pool> pool{};
    executor* run_on = nullptr;  ///< external threads to use instead; must outlive the session
    draft_options drafts{};      ///< for a session with a drafter
};

/// @throws error (invalid_argument) naming the option
inline void check(const generate_options& o) {
    const auto require = [](bool good, const char* name, const char* expected, float found) {
        if (!good) fail(errc::invalid_argument, name, ": expected ", expected, ", found ", found);
    };
    require(std::isfinite(o.temperature) && o.temperature >= 0.0f, "temperature", "a number >= 0", o.temperature);
    require(o.top_p >= 0.0f && o.top_p <= 1.0f, "top_p", "a number in [0, 1]", o.top_p);
    require(o.min_p >= 0.0f && o.min_p <= 1.0f, "min_p", "a number in [0, 1]", o.min_p);
    require(std::isfinite(o.repetition_penalty) && o.repetition_penalty > 0.0f, "repetition_penalty", "a number > 0",
            o.repetition_penalty);
    if (o.max_time && !(o.max_time->count() >= 0.0)) {
        fail(errc::invalid_argument, "max_time: expected seconds >= 0, found ", o.max_time->count());
    }
    for (const std::string& s : o.stop_strings) {
        if (s.empty()) fail(errc::invalid_argument, "stop strings: expected at least one character, found none");
    }
    if (std::ranges::find(o.filters, sample_filter::infill) != o.filters.end() &&
        (o.infill == nullptr || o.infill->pieces.size() != o.infill->ends.size())) {
        fail(errc::invalid_argument, "infill: expected the vocabulary that the filter reads, found ",
             o.infill == nullptr ? "none" : "other numbers of pieces and ends");
    }
    if (o.max_new_tokens == 0) fail(errc::invalid_argument, "max_new_tokens: expected at least 1, found 0");
}
/// @throws error as that, and for more experts than the model has
inline void check(const generate_options& o, const model_shape& shape) {
    check(o);
    check_active_experts(o.active_experts, shape);
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
