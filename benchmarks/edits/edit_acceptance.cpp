// SPDX-License-Identifier: MIT
// How many tokens drafters that look at text get accepted when a file is rewritten that the prompt contains. The model
// is taken to produce exactly the file after the edit, so that of MODEL only the tokenizer matters. Rounds as in
// `speculative`: the drafter proposes at most d tokens, those that agree with the target are accepted, and one more
// token follows. TRACES is what collect.py writes; the kind "shuffled" consists of its edited files with the tokens of
// both versions in random order.
//
//     earlyout_edit_acceptance MODEL TRACES [--draft N]
//
// Prints for each kind, drafter and d: rounds; tokens a round produces; tokens drafted in it, and how many of these the
// drafter's probabilities promise; the share that is accepted, and at which positions of a draft; microseconds in the
// drafter for each token of the target, and for each of the prompt (making its state included).
#include <earlyout/generate/drafts/draft_context.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/drafts/hashed_drafts.hpp>
#include <earlyout/generate/drafts/recycled_drafts.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include "../quantile.hpp"
#include "traces.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eo = earlyout;
using edits::trace;

namespace {

/// The baseline: what followed the most recent earlier occurrence of the longest suffix of up to 8 tokens. It scans all
/// tokens anew for each proposal.
struct last_occurrence {
    static constexpr std::string_view name = "last occurrence";
    static constexpr std::size_t max_match = 8;

    void propose(std::span<const eo::token_id> ids, eo::draft& out) const {
        std::size_t best = 0, from = 0;
        for (std::size_t end = ids.size() - 1; end > 0 && best < max_match; --end) {
            std::size_t match = 0;
            while (match < std::min(max_match, end) && ids[end - 1 - match] == ids[ids.size() - 1 - match]) ++match;
            if (match > best) best = match, from = end;
        }
        if (best < 2) return;
        while (from < ids.size() && !out.is_full()) out.push(ids[from++], 0.7f);
        out.set_match(best);
    }
};

struct tally {
    std::uint64_t rounds = 0, tokens = 0, drafted = 0, accepted = 0, prompt_tokens = 0;
    std::array<std::uint64_t, eo::draft::max_size> drafted_at{}, accepted_at{};
    double stated = 0.0;                         // accepted tokens that the drafts' probabilities promise
    double seconds = 0.0, prompt_seconds = 0.0;  // in the drafter
};

/// Look-up drafters have no use for exits.
struct no_exits final : eo::draft_exits {
    std::optional<prediction> predict() override { return {}; }
};

class stopwatch {
public:
    explicit stopwatch(double& seconds) : seconds_(&seconds) {}
    stopwatch(const stopwatch&) = delete;
    stopwatch& operator=(const stopwatch&) = delete;
    ~stopwatch() { *seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count(); }

private:
    double* seconds_;
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

/// Runs rounds until the target is complete.
template <eo::drafter Drafter>
void simulate(const Drafter& drafter, const trace& of, std::size_t max_draft, std::size_t vocab, tally& counts) {
    eo::draft_planner planner;
    no_exits exits;
    eo::draft_context context(planner, exits);
    const std::span<const eo::token_id> ids = of.ids;
    auto state = [&] {
        const stopwatch timed(counts.prompt_seconds);
        auto made = eo::start_drafts(drafter, {.tokens = ids.size(), .vocab = vocab});
        eo::append_to_drafts(drafter, ids.first(of.prompt), made);
        return made;
    }();
    counts.prompt_tokens += of.prompt;
    std::size_t known = of.prompt, followed = of.prompt;
    while (known < ids.size()) {
        eo::draft proposed(std::min(max_draft, ids.size() - known - 1));
        {
            const stopwatch timed(counts.seconds);
            eo::append_to_drafts(drafter, ids.subspan(followed, known - followed), state);
            if (proposed.limit() != 0) eo::propose(drafter, ids.first(known), state, context, proposed);
        }
        followed = known;
        const auto target = ids.subspan(known);
        const auto accepted =
            static_cast<std::size_t>(std::ranges::mismatch(proposed.ids(), target).in1 - proposed.ids().begin());
        for (std::size_t i = 0; i < proposed.size(); ++i) {
            ++counts.drafted_at[i];
            if (i < accepted) ++counts.accepted_at[i];
        }
        if (!proposed.empty()) {
            const stopwatch timed(counts.seconds);
            eo::learn_from(drafter, {proposed, accepted}, state);
        }
        ++counts.rounds;
        counts.drafted += proposed.size();
        counts.accepted += accepted;
        counts.stated += static_cast<double>(proposed.expected_accepted());
        counts.tokens += accepted + 1;
        known += accepted + 1;
    }
}

double ratio(double of, std::uint64_t to) { return to == 0 ? 0.0 : of / static_cast<double>(to); }
double ratio(std::uint64_t of, std::uint64_t to) { return ratio(static_cast<double>(of), to); }

constexpr std::array<std::size_t, 5> shown_positions = {1, 2, 4, 8, 15};

/// Prints a line for each max length of drafts.
template <eo::drafter Drafter>
void measure(const Drafter& drafter, std::span<const trace> traces, std::span<const std::size_t> lengths,
             std::size_t vocab) {
    const std::string name(eo::drafter_names(drafter).front());
    for (const std::size_t length : lengths) {
        tally counts;
        for (const trace& t : traces) simulate(drafter, t, length, vocab, counts);
        std::printf("%-10s %-16s %3zu %8llu %12.2f %8.2f %7.2f %9.3f ", traces.front().kind.c_str(), name.c_str(),
                    length, static_cast<unsigned long long>(counts.rounds), ratio(counts.tokens, counts.rounds),
                    ratio(counts.drafted, counts.rounds), ratio(counts.stated, counts.rounds),
                    ratio(counts.accepted, counts.drafted));
        for (const std::size_t position : shown_positions) {
            if (position > length) {
                std::printf("     -");
            } else {
                std::printf(" %5.2f", ratio(counts.accepted_at[position - 1], counts.drafted_at[position - 1]));
            }
        }
        std::printf(" %9.2f %9.2f\n", ratio(counts.seconds * 1e6, counts.tokens),
                    ratio(counts.prompt_seconds * 1e6, counts.prompt_tokens));
    }
}

/// Measures each drafter on traces of one kind.
void measure_all(std::span<const trace> traces, std::span<const std::size_t> lengths, std::size_t vocab) {
    const auto one = [&](const auto& drafter) { measure(drafter, traces, lengths, vocab); };
    one(last_occurrence{});
    one(eo::suffix_drafts{});
    one(eo::hashed_drafts{});
    one(eo::recycled_drafts{});
}

int run(const char* path, const char* traces, std::span<const std::size_t> lengths) {
    const auto model = eo::io::load<eo::any_model>(path);
    const std::size_t vocab = model.network().shape().vocab;
    const auto kinds = edits::by_kind(edits::read_traces(traces, model));
    std::printf("%s, %s; median tokens of prompts and targets:\n", path, traces);
    for (const auto& of : kinds) {
        std::vector<std::size_t> prompts, targets;
        for (const trace& t : of) prompts.push_back(t.prompt), targets.push_back(t.ids.size() - t.prompt);
        std::printf("%-10s %5zu traces %6zu %6zu%s\n", of.front().kind.c_str(), of.size(), quantile(prompts, 0.5),
                    quantile(targets, 0.5),
                    std::ranges::any_of(of, [](const trace& t) { return t.ids.size() == edits::max_tokens; })
                        ? ", some cut"
                        : "");
    }
    std::printf("\n%111s\n", "accepted share at position");
    std::printf("%-10s %-16s %3s %8s %12s %8s %7s %9s ", "kind", "drafter", "d", "rounds", "tokens/round", "drafted",
                "stated", "accepted");
    for (const std::size_t position : shown_positions) std::printf(" %5zu", position);
    std::printf(" %9s %9s\n", "us/token", "us/prompt");
    for (const auto& of : kinds) measure_all(of, lengths, vocab);
    return 0;
}

std::size_t parse_length(std::string_view text) {
    std::size_t length = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), length);
    if (end.ec != std::errc() || end.ptr != text.data() + text.size() || length == 0 || length > eo::draft::max_size) {
        eo::fail(eo::errc::invalid_argument, "--draft: expected 1 to ", eo::draft::max_size, ", found ", text);
    }
    return length;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const bool has_length = argc == 5 && std::string_view(argv[3]) == "--draft";
        if (argc != 3 && !has_length) eo::fail(eo::errc::invalid_argument, "usage: MODEL TRACES [--draft N]");
        std::vector<std::size_t> lengths = {1, 3, 7, 15};
        if (has_length) lengths = {parse_length(argv[4])};
        return run(argv[1], argv[2], lengths);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earlyout_edit_acceptance: %s\n", e.what());
        return 1;
    }
}
