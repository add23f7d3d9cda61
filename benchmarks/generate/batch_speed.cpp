// SPDX-License-Identifier: MIT
// How many tokens per second several completions make together, beside one alone: a scheduler that decodes 1 and N
// sequences in turns. Prompts are pieces of a text, or random tokens.
//
//     earlyout_batch_speed MODEL --sequences 8 [--dtype int8] [--threads 1] [--policy SPEC] [--text FILE]
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/scheduler.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include <CLI/CLI.hpp>

#include "../quantile.hpp"

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace eo = earlyout;

namespace {

struct options {
    std::string model;
    std::string dtype = "stored";
    std::string policy = "full-depth";
    std::string text;
    std::size_t threads = 1;
    std::size_t sequences = 8;
    std::size_t prompt = 64;
    std::size_t tokens = 64;
    std::size_t rounds = 9;
};

using model_type = eo::io::pretrained<eo::any_model>;
using scheduler = eo::scheduler<model_type, eo::any_exit_policy, eo::any_drafter>;
using clock_type = std::chrono::steady_clock;

/// Pieces of the text, or random tokens.
std::vector<std::vector<eo::token_id>> prompts_of(const options& o, const model_type& model) {
    std::vector<eo::token_id> all;
    if (!o.text.empty()) {
        std::ifstream file(o.text);
        std::ostringstream text;
        text << file.rdbuf();
        all = model.tokenizer().encode_plain(text.str());
    }
    std::mt19937 engine(1);
    std::vector<std::vector<eo::token_id>> made(o.sequences);
    for (auto& prompt : made) {
        const bool has_text = all.size() > o.prompt;
        const std::size_t at = has_text ? engine() % (all.size() - o.prompt) : 0;
        for (std::size_t i = 0; i < o.prompt; ++i) {
            prompt.push_back(has_text ? all[at + i]
                                      : static_cast<eo::token_id>(engine() % model.network().shape().vocab));
        }
    }
    return made;
}

/// Seconds of decoding by the first `count` prompts together, and the share of layers that tokens skipped.
struct measured {
    double seconds = 0.0;
    double skipped = 0.0;
};
measured decode(const options& o, const model_type& model, const scheduler::job& like,
                const std::vector<std::vector<eo::token_id>>& prompts, std::size_t count) {
    scheduler together(model, {.sequences = count,
                               .capacity = std::min(model.network().shape().context, o.prompt + o.tokens),
                               .threads = o.threads});
    measured made;
    std::size_t begun = 0;
    clock_type::time_point first;
    for (std::size_t i = 0; i < count; ++i) {
        scheduler::job job = like;
        job.prompt = prompts[i];
        job.on_token = [&](const eo::token_event& e) {
            if (e.index == 0 && ++begun == count) first = clock_type::now();
            return eo::flow::proceed;
        };
        job.on_end = [&](const eo::completion& done) {
            made.skipped += done.stats.layers_skipped() / static_cast<double>(count);
        };
        together.submit(std::move(job));
    }
    while (together.run()) {
    }
    made.seconds = std::chrono::duration<double>(clock_type::now() - first).count();
    return made;
}

int run(const options& o) {
    const auto model = eo::io::load<eo::any_model>(o.model, eo::any_format(o.dtype));
    const auto prompts = prompts_of(o, model);
    const eo::policy_spec spec = eo::resolve(eo::policy_spec::parse(o.policy), model);
    scheduler::job like;
    like.options = {.max_new_tokens = o.tokens, .end_of_text = std::vector<eo::token_id>{}};
    like.policy = std::make_shared<eo::any_exit_policy>(eo::make_policy(spec, model));
    like.drafter = std::make_shared<eo::any_drafter>(eo::make_drafter(spec.drafts));
    std::vector<double> one, all, gain;
    double skipped = 0.0;
    for (std::size_t round = 0; round <= o.rounds; ++round) {
        const measured single = decode(o, model, like, prompts, 1);
        const measured batch = decode(o, model, like, prompts, o.sequences);
        if (round == 0) continue;  // warms up
        const auto tokens = static_cast<double>(o.tokens - 1);
        one.push_back(tokens / single.seconds);
        all.push_back(tokens * static_cast<double>(o.sequences) / batch.seconds);
        gain.push_back(all.back() / one.back());
        skipped = batch.skipped;
    }
    std::printf("%s, %s, %zu threads, %s, %zu tokens after %zu\n", o.model.c_str(),
                model.network().weight_format().c_str(), o.threads, to_string(spec).c_str(), o.tokens, o.prompt);
    std::printf(
        "1 sequence %.1f tokens/s, %zu together %.1f, ratio %.2f (middle half %.2f .. %.2f), layers skipped %.3f\n",
        quantile(one, 0.5), o.sequences, quantile(all, 0.5), quantile(gain, 0.5), quantile(gain, 0.25),
        quantile(gain, 0.75), skipped);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    options o;
    CLI::App app{"Tokens per second of several completions together, beside one alone"};
    app.add_option("model", o.model, "Folder or file")->required();
    app.add_option("--dtype", o.dtype, "Weight format")->capture_default_str();
    app.add_option("--policy", o.policy, "Exit policy, with drafts")->capture_default_str();
    app.add_option("--text", o.text, "File to take prompts from; none: random tokens");
    app.add_option("--threads", o.threads, "Threads")->capture_default_str();
    app.add_option("--sequences", o.sequences, "Completions that run together")->capture_default_str();
    app.add_option("--prompt", o.prompt, "Tokens of each prompt")->capture_default_str();
    app.add_option("--tokens", o.tokens, "New tokens of each")->capture_default_str();
    app.add_option("--rounds", o.rounds, "Measurements of each")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        return run(o);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earlyout_batch_speed: %s\n", e.what());
        return 1;
    }
}
