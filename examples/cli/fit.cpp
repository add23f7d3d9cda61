// SPDX-License-Identifier: MIT
// `earlyout fit`: from a model and a pile of text to an exits.safetensors.
#include "commands.hpp"
#include "fitting.hpp"

#include <iostream>
#include <memory>

namespace cli {

namespace {

int run(fit_options& o) {
    try {
        const fit_report report = fit_exits(o);
        if (o.json) {
            print(std::cout, to_json(report));
        } else {
            print(std::cout, report);
        }
        return 0;
    } catch (const interrupted_error& e) {
        std::cerr << "earlyout: interrupted, nothing was written\n";
        return e.status;
    }
}

}  // namespace

command fit(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand(
        "fit", "Fit exit gates to a model on a pile of text, choose their thresholds, write exits.safetensors");
    const auto o = std::make_shared<fit_options>();
    add_options(*sub, o->model);
    add_options(*sub, o->weights);
    add_number(*sub, "--threads", o->threads, "Threads that compute", 1);
    sub->add_option("--out", o->out, "File to write, as a whole or not at all; left out: the model folder's")
        ->type_name("FILE");
    sub->add_option("--also-dtype", o->also_formats,
                    "Further weight formats to check the thresholds with; those that hold may use the exits too")
        ->delimiter(',')
        ->check(CLI::IsMember({"f32", "bf16", "f16", "int8", "int4"}))
        ->type_name("FORMAT,...");
    add_corpus_options(*sub, o->texts, o->corpus);
    const std::string fitted = "What is fitted";
    add_layers(*sub, "--exit-layers", o->layers, "Layers to fit exits after; left out: all but the last")
        ->group(fitted);
    sub->add_option("--heads", o->heads,
                    "What exits answer with: shared (the model's own output, nothing to fit), adapter (a low-rank map "
                    "before it) or own (an output matrix for each exit)")
        ->check(CLI::IsMember({"shared", "adapter", "own"}))
        ->capture_default_str()
        ->group(fitted);
    sub->add_option("--head-target", o->head_target,
                    "What heads are fitted to: full-depth (its distribution) or truth (the next token)")
        ->check(CLI::IsMember({"full-depth", "truth"}))
        ->capture_default_str()
        ->group(fitted);
    add_number(*sub, "--rank", o->head_fit.rank, "Of adapters", 1)->group(fitted);
    add_number(*sub, "--epochs", o->head_fit.epochs, "Times that heads see each kept token", 1)->group(fitted);
    sub->add_option("--learning-rate", o->head_fit.learning_rate, "Of heads, at the first step; falls to 0")
        ->check(CLI::Range(1e-7, 1.0))
        ->capture_default_str()
        ->group(fitted);
    add_number(*sub, "--seed", o->head_fit.seed, "Of the order in which heads see tokens")->group(fitted);
    sub->add_option("--gates", o->gates, "Gates to fit")
        ->delimiter(',')
        ->check(CLI::IsMember({"learn-to-exit", "sec", "jei-dnn"}))
        ->type_name("GATE,...")
        ->capture_default_str()
        ->group(fitted);
    sub->add_option("--jei-lambda", o->jei_lambda, "jei-dnn: nats that the whole depth costs; more leaves earlier")
        ->check(CLI::Range(0.0, 100.0))
        ->capture_default_str()
        ->group(fitted);
    sub->add_flag("--sec-each", o->sec_each, "A gate for each exit as sec, in place of one for all")->group(fitted);
    sub->add_flag(
           "--paper", o->paper,
           "The Stop&Exit paper's configuration: --heads own --head-target truth --gates sec --sec-labels paper, "
           "one gate without bias; by a convex fit in place of the paper's AdamW")
        ->group(fitted);
    sub->add_option("--labels", o->labels,
                    "When learn-to-exit should leave: paper (from the first exit that is right on), right, agrees "
                    "(with full depth), harmless (unless only full depth is right)")
        ->check(CLI::IsMember({"paper", "right", "agrees", "harmless"}))
        ->capture_default_str()
        ->group(fitted);
    sub->add_option("--sec-labels", o->sec_labels, "The same for sec")
        ->check(CLI::IsMember({"paper", "right", "agrees", "harmless"}))
        ->capture_default_str()
        ->group(fitted);
    sub->add_flag("--sec-bias", o->sec_bias, "Give sec a bias, which the paper's has not")->group(fitted);
    add_number(*sub, "--memory", o->memory, "Megabytes of observations to keep; of more tokens every n-th is kept", 1)
        ->group(fitted);
    const std::string thresholds = "How thresholds are chosen";
    add_fraction(*sub, "--loss", o->loss, "Share of ROUGE-L that may be lost on texts that nothing was fitted to")
        ->group(thresholds);
    sub->add_option("--kv", o->kv, "Cache policy to complete with: keys and values of skipped layers")
        ->check(CLI::IsMember({"propagate", "defer", "omit"}))
        ->type_name("POLICY")
        ->capture_default_str()
        ->group(thresholds);
    add_fraction(*sub, "--guarantee", o->guarantee,
                 "Mean share of ROUGE-L a completion may lose against full depth, tested on a fifth of the texts, one "
                 "prompt of each: every gate's threshold becomes one that passes, or full depth. 0: no test")
        ->group(thresholds);
    sub->add_option("--guarantee-in", o->guarantee_in,
                    "probability: it holds, except with probability --delta (Learn-then-Test); expectation: it holds "
                    "on average over texts (conformal risk control), which takes fewer")
        ->check(CLI::IsMember({"probability", "expectation"}))
        ->type_name("WHAT")
        ->capture_default_str()
        ->group(thresholds);
    add_fraction(*sub, "--delta", o->delta, "Probability with which the guarantee may fail")->group(thresholds);
    sub->add_option("--check-margins", o->check_margins, "Margins to try as learn-to-exit's check")
        ->delimiter(',')
        ->type_name("P,...")
        ->group(thresholds);
    add_number(*sub, "--samples", o->samples.count, "Prompts to complete", 1)->group(thresholds);
    add_number(*sub, "--sample-tokens", o->samples.length, "Tokens of a piece of text, prompt and what follows it")
        ->group(thresholds);
    add_number(*sub, "--max-new-tokens", o->samples.new_tokens, "Tokens to complete", 1)->group(thresholds);
    add_json(*sub, o->json);
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
