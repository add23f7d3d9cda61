// SPDX-License-Identifier: MIT
// What drafts gain when a file is rewritten that the prompt contains, or on ordinary text, at the size of any model.
// The model's logits are computed and then replaced such that it produces the trace (teacher forcing), so that random
// weights do: a replay, in which all work is done but the model's own choice. Full depth without drafts and each of the
// drafts take turns.
//
//     earlyout_edit_speed MODEL TOKENIZER TRACES [--format F] [--threads N] [--kv F] [--count N] [--prompt N]
//                         [--target N] [--kind KIND] DRAFTS...
//
// TOKENIZER is a model whose tokenizer is used, with at most the vocabulary of MODEL. Takes the first traces of each
// kind whose prompt has at most --prompt tokens, and of each the first --target tokens after it.
#include <earlyout/generate/make_session.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>
#include <earlyout/nn/kv_format.hpp>

#include "../quantile.hpp"
#include "traces.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace eo = earlyout;

namespace {

struct settings {
    std::string model, tokenizer, traces, format = "stored", kv = "f16", kind;
    std::size_t threads = 1, count = 6, prompt = 1200, target = 128;
    std::vector<std::string> drafts{"none"};
};

struct tally {
    std::vector<double> relative;  // speed of each trace in terms of no drafts
    double seconds = 0.0, tokens = 0.0, steps = 0.0, drafted = 0.0, accepted = 0.0, draft_seconds = 0.0;
};

void measure(const auto& network, const settings& s, std::span<const edits::trace> traces) {
    std::vector<tally> tallies(s.drafts.size());
    std::size_t measured = 0;
    for (const edits::trace& t : traces) {
        if (t.prompt > s.prompt || t.ids.size() - t.prompt < s.target) continue;
        if (measured++ == s.count) break;
        const auto forced = [&](std::span<const eo::token_id> so_far, std::span<float> logits) {
            logits[static_cast<std::size_t>(t.ids[so_far.size()])] = 1e6f;
        };
        const eo::generate_options options{
            .max_new_tokens = s.target, .end_of_text = std::vector<eo::token_id>{}, .on_logits = forced};
        double plain = 0.0;
        for (std::size_t i = 0; i < s.drafts.size(); ++i) {
            eo::policy_spec policy;
            policy.drafts = eo::drafts_spec::parse(s.drafts[i]);
            auto session = eo::make_session(
                network, policy,
                {.capacity = t.prompt + s.target, .threads = s.threads, .kv = eo::any_kv_format(s.kv)});
            const eo::completion made = session.complete(std::span(t.ids).first(t.prompt), options);
            if (!std::ranges::equal(made.ids, std::span(t.ids).subspan(t.prompt, s.target))) {
                eo::fail(eo::errc::wrong_value, s.drafts[i], ": expected the trace, found other tokens");
            }
            if (i == 0) plain = made.stats.decode_seconds;
            tally& sum = tallies[i];
            sum.relative.push_back(plain / made.stats.decode_seconds);
            sum.seconds += made.stats.decode_seconds;
            sum.tokens += static_cast<double>(s.target - 1);
            sum.steps += static_cast<double>(made.stats.decode_steps);
            sum.drafted += static_cast<double>(made.stats.drafted);
            sum.accepted += static_cast<double>(made.stats.accepted);
            sum.draft_seconds += made.stats.draft_seconds;
        }
    }
    if (measured == 0) return;
    for (std::size_t i = 0; i < s.drafts.size(); ++i) {
        const tally& sum = tallies[i];
        std::printf("%-10s %-24s %6zu %9.2f %8.3f %7.3f .. %.3f %9.2f %9.3f %9.2f\n", traces.front().kind.c_str(),
                    s.drafts[i].c_str(), sum.relative.size(), sum.tokens / sum.seconds,
                    tallies[0].seconds / sum.seconds, quantile(sum.relative, 0.0), quantile(sum.relative, 1.0),
                    sum.tokens / sum.steps, sum.drafted == 0.0 ? 0.0 : sum.accepted / sum.drafted,
                    1e6 * sum.draft_seconds / sum.tokens);
    }
    std::fflush(stdout);
}

int run(const settings& s) {
    const auto tokenizer = eo::io::load<eo::any_model>(s.tokenizer);
    const auto network =
        eo::any_model::from_checkpoint(*eo::io::open_checkpoint(s.model), eo::any_format(std::string_view(s.format)));
    if (network.shape().vocab < tokenizer.network().shape().vocab) {
        eo::fail(eo::errc::mismatch, s.model, ": expected a vocabulary of at least ", tokenizer.network().shape().vocab,
                 ", found ", network.shape().vocab);
    }
    const auto kinds = edits::by_kind(edits::read_traces(s.traces.c_str(), tokenizer));
    std::printf("%s, %s, %zu threads, %s keys and values; %zu tokens after prompts of at most %zu\n", s.model.c_str(),
                network.weight_format().c_str(), s.threads, s.kv.c_str(), s.target, s.prompt);
    std::printf("%-10s %-24s %6s %9s %8s %17s %9s %9s %9s\n", "kind", "drafts", "traces", "tokens/s", "speed",
                "least .. most", "per step", "accepted", "us/token");
    for (const auto& of : kinds) {
        if (s.kind.empty() || of.front().kind == s.kind) measure(network, s, of);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    settings s;
    std::vector<std::string> drafts;
    CLI::App app("What drafts gain on editing traces, replayed at the size of any model");
    app.add_option("model", s.model)->required();
    app.add_option("tokenizer", s.tokenizer, "Model whose tokenizer is used")->required();
    app.add_option("traces", s.traces)->required();
    app.add_option("drafts", drafts)->required();
    app.add_option("--format", s.format)->capture_default_str();
    app.add_option("--threads", s.threads)->check(CLI::Range(1, 1 << 20))->capture_default_str();
    app.add_option("--kv", s.kv, "Format of keys and values")->capture_default_str();
    app.add_option("--count", s.count, "Max traces of each kind")->check(CLI::Range(1, 1 << 20))->capture_default_str();
    app.add_option("--prompt", s.prompt, "Max tokens of a prompt")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    app.add_option("--target", s.target, "Tokens of a target")->check(CLI::Range(2, 1 << 20))->capture_default_str();
    app.add_option("--kind", s.kind, "Traces of this kind alone");
    CLI11_PARSE(app, argc, argv);
    s.drafts.insert(s.drafts.end(), drafts.begin(), drafts.end());
    try {
        return run(s);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earlyout_edit_speed: %s\n", e.what());
        return 1;
    }
}
