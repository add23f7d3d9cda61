// SPDX-License-Identifier: MIT
// `earlyout bench`: tokens per second of prompt and of decoding, whatever the weights say.
#include "commands.hpp"
#include "interrupt.hpp"
#include "memory.hpp"
#include "policy.hpp"
#include "report.hpp"

#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace cli {

namespace {

struct bench_options {
    model_options model;
    weight_options weights;
    run_options run;
    std::size_t prompt_tokens = 128;
    std::size_t new_tokens = 64;
    std::size_t exit_layer = 0;
    exit_options exits;
    std::size_t rounds = 7;
    bool json = false;
};

struct samples {
    std::vector<double> prefill_tokens_per_s;
    std::vector<double> decode_tokens_per_s;
    std::vector<double> head_seconds_per_token;  ///< of decoding: norm and output matrix
};

/// Ids all over the vocabulary; each round begins with another, so that the session finds nothing to reuse.
std::vector<eo::token_id> some_ids(std::size_t count, std::size_t round, std::size_t vocab) {
    std::vector<eo::token_id> ids(count);
    for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<eo::token_id>((i * 7919 + round) % vocab);
    return ids;
}

void check(const bench_options& o, const eo::model_shape& shape) {
    const auto check_count = [&](const char* name, std::size_t count) {
        if (count == 0 || count > shape.context) {
            eo::fail(eo::errc::out_of_range, name, ": expected 1 .. ", shape.context, ", found ", count);
        }
    };
    check_count("--prompt-tokens", o.prompt_tokens);
    check_count("--new-tokens", o.new_tokens);
}

samples measure(const bench_options& o, const model& m, const std::stop_token& cancel) {
    const std::size_t vocab = m.network().shape().vocab;
    auto session = make_session(m, o.exits, o.run);
    eo::generate_options options;
    options.end_of_text.emplace();  // goes on whatever the model says
    options.cancel = cancel;
    samples s;
    for (std::size_t round = 0; round <= o.rounds; ++round) {
        options.max_new_tokens = 1;
        const auto prompt = session.complete(some_ids(o.prompt_tokens, round, vocab), options).stats;
        options.max_new_tokens = o.new_tokens;
        const auto decode = session.complete(some_ids(1, round, vocab), options).stats;
        if (cancel.stop_requested()) break;
        if (round == 0) continue;  // wakes threads and caches
        s.prefill_tokens_per_s.push_back(static_cast<double>(o.prompt_tokens) / prompt.prefill_seconds);
        // A prompt of one token is a decode step from an empty cache like the others.
        s.decode_tokens_per_s.push_back(static_cast<double>(o.new_tokens) /
                                        (decode.prefill_seconds + decode.decode_seconds));
        s.head_seconds_per_token.push_back(decode.head_seconds / static_cast<double>(o.new_tokens));
    }
    return s;
}

int run(bench_options& o) {
    const model m = load(o.model, o.weights);
    check(o, m.network().shape());
    require_memory_to_run(m, o.run);
    if (o.exit_layer != 0) {
        o.exits.gate = "fixed";
        o.exits.layers = {o.exit_layer};
    }
    const interrupt interrupted;
    const samples s = measure(o, m, interrupted.token());
    const double prefill = median(s.prefill_tokens_per_s);
    const double decode = median(s.decode_tokens_per_s);
    const double head = median(s.head_seconds_per_token);
    if (o.json) {
        print(std::cout, {{"prefill_tokens_per_s", prefill},
                          {"decode_tokens_per_s", decode},
                          {"head_seconds_per_token", head},
                          {"prompt_tokens", o.prompt_tokens},
                          {"new_tokens", o.new_tokens},
                          {"threads", o.run.threads},
                          {"kv_dtype", o.run.kv_dtype},
                          {"dtype", m.network().weight_format()},
                          {"samples",
                           {{"prefill_tokens_per_s", s.prefill_tokens_per_s},
                            {"decode_tokens_per_s", s.decode_tokens_per_s},
                            {"head_seconds_per_token", s.head_seconds_per_token}}}});
    } else {
        std::cout << "tokens per second on " << o.run.threads << (o.run.threads == 1 ? " thread" : " threads")
                  << ", median of " << s.decode_tokens_per_s.size() << ":\n"
                  << std::fixed;
        std::cout.precision(0);
        std::cout << "  prefill  " << prefill << "  (" << o.prompt_tokens << " tokens)\n"
                  << "  decode   " << decode << "  (" << o.new_tokens << " tokens from an empty cache)\n"
                  << "           " << milliseconds(decode > 0.0 ? 1.0 / decode : 0.0) << " per token, "
                  << milliseconds(head) << " of it for the output matrix\n";
    }
    return interrupted.status();
}

}  // namespace

command bench(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand("bench", "Tokens per second");
    const auto o = std::make_shared<bench_options>();
    add_options(*sub, o->model);
    add_cache(*sub, o->model);
    add_options(*sub, o->weights);
    add_options(*sub, o->run);
    add_number(*sub, "--prompt-tokens", o->prompt_tokens, "Length of the prompt of the prefill measurement");
    add_number(*sub, "--new-tokens", o->new_tokens, "Tokens of the decode measurement, from an empty cache");
    add_number(*sub, "--exit-layer", o->exit_layer, "Every token exits after this layer; default: full depth", 1)
        ->type_name("K");
    sub->add_option("--rounds", o->rounds, "Measurements of each")
        ->check(CLI::Range(1, 1000))
        ->type_name("N")
        ->capture_default_str();
    add_cache_options(*sub, o->exits);
    add_json(*sub, o->json);
    sub->footer(
        "Examples:\n"
        "  earlyout bench --model my-model --dtype int8\n"
        "  earlyout bench --prompt-tokens 256 --new-tokens 64 --threads 1\n"
        "  earlyout bench --exit-layer 4 --json");
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
