// SPDX-License-Identifier: MIT
// `earlyout fit`: from a model and a pile of text to an exits.safetensors.
#include "commands.hpp"
#include "fit_folder.hpp"
#include "fit_report.hpp"
#include "interrupt.hpp"
#include "memory.hpp"
#include "model.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "team.hpp"

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/costs_json.hpp>
#include <earlyout/calibrate/estimate_fit.hpp>
#include <earlyout/calibrate/fit_exits.hpp>
#include <earlyout/calibrate/results_json.hpp>
#include <earlyout/calibrate/workers.hpp>
#include <earlyout/core/machine.hpp>
#include <earlyout/core/processor_name.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/exit/catalogue.hpp>
#include <earlyout/generate/measure_costs.hpp>
#include <earlyout/io/sidecar.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace cli {

namespace {

namespace calibrate = eo::calibrate;

struct fit_options {
    model_options model;
    weight_options weights;
    std::vector<std::string> also_formats;
    std::size_t threads = eo::usable_processors();
    std::string out;
    std::vector<std::string> texts;
    calibrate::corpus_options corpus{.suffixes = {".py"}, .max_tokens = 400'000};
    calibrate::fit_options fit;
    std::size_t megabytes = 512;
    std::string head_target = "full-depth";
    std::string labels = "agrees";
    std::string sec_labels = "right";
    std::vector<std::string> caches{"propagate", "defer"};
    std::string guarantee_in = "probability";
    std::string costs;
    std::string checkpoint;
    bool no_timing = false;
    bool estimate = false;
    bool paper = false;
    bool json = false;
    bool quiet = false;
};

std::filesystem::path out_path(const fit_options& o) {
    return o.out.empty() ? eo::io::sidecar_path(o.model.folder) : std::filesystem::path(o.out);
}

void check_out(const std::filesystem::path& out) {
    const std::filesystem::path parent = std::filesystem::absolute(out).parent_path();
    if (!std::filesystem::exists(out) && access(parent.c_str(), W_OK) != 0) {
        eo::fail(eo::errc::io, out.string(), ": cannot be written to that folder: ", std::strerror(errno));
    }
}

/// What the library's options are called on the command line.
calibrate::fit_options library_options(fit_options& o) {
    if (o.paper) {
        o.fit.heads = "own";
        o.head_target = "truth";
        o.fit.gates = {std::string(calibrate::sec_fit::gate)};
        o.fit.more_gates.clear();
        o.caches = {"propagate"};
        o.sec_labels = "paper";
        std::get<calibrate::sec_fit>(o.fit.fits).bias = false;
        std::get<calibrate::sec_fit>(o.fit.fits).each = false;
    }
    calibrate::fit_options made = o.fit;
    std::erase(made.more_gates, "none");
    const auto rule = calibrate::find_label_rule(o.labels).value();
    std::get<calibrate::learn_to_exit_fit>(made.fits).labels = rule;
    std::get<calibrate::mlp_router_fit>(made.fits).labels = rule;
    std::get<calibrate::sec_fit>(made.fits).labels = calibrate::find_label_rule(o.sec_labels).value();
    std::get<calibrate::sec_fit>(made.fits).is_calibrated = !o.paper;
    made.head_fit.target =
        o.head_target == "truth" ? calibrate::head_target::truth : calibrate::head_target::full_depth;
    made.memory = o.megabytes << 20;
    made.thresholds.caches = o.caches;
    made.thresholds.few_layers = !o.paper;
    made.thresholds.are_timed = !o.no_timing && team() == nullptr;
    made.guarantee.in_expectation = o.guarantee_in == "expectation";
    return made;
}

/// The costs that exits were stored with, of this machine where there are any, else the first.
eo::step_costs costs_from(const std::string& path, const model& m, const eo::session_options& session) {
    const std::vector<calibrate::stored_costs> all = calibrate::read_costs(eo::io::read_exits(path));
    if (all.empty()) eo::fail(eo::errc::wrong_value, path, ": --costs: expected exits stored with costs, found none");
    const auto here = std::ranges::find(all, conditions_of(m, session),
                                        [](const calibrate::stored_costs& s) { return s.costs.measured_on; });
    return (here != all.end() ? *here : all.front()).costs;
}

/// Gates that a threshold makes exit.
std::vector<std::string> gates_without_fit() {
    std::vector<std::string> names;
    for (const eo::gate_entry& entry : eo::gate_catalogue()) {
        const auto parameters = entry.info.parameters;
        if (!entry.is_fitted() && !parameters.empty() && !parameters.front().grid.empty()) {
            names.emplace_back(entry.info.name);
        }
    }
    names.emplace_back("none");
    return names;
}

/// What would give the same exits again, beside the texts, which are told by their contents.
json settings(const fit_options& o, std::uint64_t texts_hash) {
    std::ostringstream hash;
    hash << std::hex << std::setw(16) << std::setfill('0') << texts_hash;
    const auto& sec = std::get<calibrate::sec_fit>(o.fit.fits);
    const auto& router = std::get<calibrate::mlp_router_fit>(o.fit.fits);
    json all{{"corpus", hash.str()},
             {"suffixes", o.corpus.suffixes},
             {"tokens", o.corpus.max_tokens},
             {"tokens_per_file", o.corpus.max_tokens_per_text},
             {"memory", o.megabytes},
             {"heads", o.fit.heads},
             {"gates", o.fit.gates},
             {"more_gates", o.fit.more_gates},
             {"labels", o.labels},
             {"sec_labels", o.sec_labels},
             {"sec_bias", sec.bias},
             {"sec_each", sec.each},
             {"jei_lambda", std::get<calibrate::jei_dnn_fit>(o.fit.fits).lambda},
             {"router_hidden", router.hidden},
             {"router_epochs", router.epochs},
             {"kv", o.caches},
             {"loss", o.fit.thresholds.loss},
             {"confidence", o.fit.thresholds.confidence},
             {"check_margins", o.fit.thresholds.check_margins},
             {"samples", o.fit.samples.count},
             {"sample_tokens", o.fit.samples.length},
             {"max_new_tokens", o.fit.samples.new_tokens}};
    if (o.fit.heads != "shared") {
        all["head_target"] = o.head_target;
        all["rank"] = o.fit.head_fit.rank;
        all["epochs"] = o.fit.head_fit.epochs;
        all["learning_rate"] = o.fit.head_fit.learning_rate;
        all["seed"] = o.fit.head_fit.seed;
    }
    return all;
}

/// All that what a fit keeps depends on.
json settings_of_checkpoint(const fit_options& o, const std::vector<calibrate::corpus_text>& texts,
                            const eo::fitted_model& fitted_to, const std::optional<eo::step_costs>& given_costs) {
    std::uint64_t hash = 0;
    for (const calibrate::corpus_text& text : texts) hash = (hash ^ text.hash) * 0x9e3779b97f4a7c15u + text.ids.size();
    json all = settings(o, hash);
    all.update({{"version", eo::version},
                {"instruction_set", eo::instruction_set},
                {"processor", eo::processor_name()},
                {"model", fitted_to.fingerprint},
                {"weight_format", fitted_to.weight_formats},
                {"also_formats", o.also_formats},
                {"layers", o.fit.layers},
                {"no_timing", o.no_timing},
                {"costs", given_costs ? calibrate::to_json(*given_costs) : json()},
                {"guarantee", o.fit.guarantee.eps},
                {"guarantee_in", o.guarantee_in},
                {"delta", o.fit.guarantee.delta}});
    return all;
}

int run(fit_options& o) {
    const interrupt interrupted(team() == nullptr);
    model m = load(o.model, o.weights);
    const eo::model_shape shape = m.network().shape();
    (void)tokenizer_of(m, o.model.folder);
    const std::filesystem::path out = out_path(o);
    check_out(out);
    calibrate::fit_options options = library_options(o);
    if (!o.costs.empty()) options.given_costs = costs_from(o.costs, m, options.costs.session);
    const auto from = eo::io::open_checkpoint(o.model.folder);
    const auto format_of = [&](const model& loaded) {
        return eo::io::computed_format(*from, loaded.network().weight_format());
    };
    const auto texts = calibrate::read_corpus(m, {o.texts.begin(), o.texts.end()}, o.corpus);

    eo::thread_pool threads(o.threads);
    progress_line line(!o.json && !o.quiet && is_first());
    if (o.estimate) {
        const auto expected = calibrate::estimate_fit(std::as_const(m), texts, options, o.also_formats.size(), threads,
                                                      {interrupted.token(), timed_progress(line)});
        line.clear();
        if (!expected) return interrupted.status();
        if (!is_first()) return 0;
        const memory_need need = memory_of(m, {});
        if (o.json) {
            print(std::cout, estimate_json(*expected, need.weights, o.threads));
        } else {
            print(std::cout, *expected, need.weights, o.threads);
        }
        return 0;
    }
    std::vector<std::pair<std::string, std::unique_ptr<model>>> loaded;
    std::vector<std::pair<std::string, model*>> others;
    for (const std::string& name : o.also_formats) {
        weight_options weights = o.weights;
        weights.dtype = name;
        auto other = std::make_unique<model>(load(o.model, weights));
        const std::string format = format_of(*other);
        if (format == format_of(m)) continue;
        others.emplace_back(format, other.get());
        loaded.emplace_back(format, std::move(other));
    }

    const eo::fitted_model fitted_to{shape.layers, shape.d_model, shape.vocab, from->fingerprint(), format_of(m)};
    std::optional<fit_folder> kept;
    if (!o.checkpoint.empty()) {
        kept.emplace(o.checkpoint, settings_of_checkpoint(o, texts, fitted_to, options.given_costs), is_first());
        (void)calibrate::shared_result(team(), 0, true);  // no process adds to the folder before it is there
        if (!o.quiet && kept->found() != 0) {
            std::cerr << "earlyout: " << o.checkpoint << ": going on from " << kept->found() << " results\n";
        }
    }
    const calibrate::monitor watch{interrupted.token(), timed_progress(line), team(), kept ? &*kept : nullptr};
    std::optional<calibrate::fit_result> made =
        calibrate::fit_exits(m, texts, options, fitted_to, others, threads, watch);
    line.clear();
    if (!made) {
        std::cerr << "earlyout: interrupted, nothing was written";
        if (kept) std::cerr << " but " << o.checkpoint << ": the same command goes on from there";
        std::cerr << '\n';
        return interrupted.status();
    }
    if (!is_first()) return 0;
    made->exits.set_metadata("settings", settings(o, made->texts_hash).dump());
    made->exits.set_metadata("metrics", summary(*made).dump());
    eo::io::write_exits(out, made->exits);
    if (kept) kept->remove();
    if (o.json) {
        json object{{"model", o.model.folder},
                    {"weight_format", m.network().weight_format()},
                    {"threads", o.threads},
                    {"out", out.string()}};
        object.update(calibrate::to_json(*made));
        print(std::cout, object);
    } else if (!o.quiet) {
        print(std::cout, *made, o.model.folder, m.network().weight_format(), out.string());
    }
    return 0;
}

void add_what(CLI::App& app, fit_options& o) {
    const std::string fitted = "What is fitted";
    calibrate::fit_options& fit = o.fit;
    add_layers(app, "--exit-layers", fit.layers, "Layers to fit exits after; default: all but the last")->group(fitted);
    app.add_option(
           "--heads", fit.heads,
           "What computes an exit's logits: shared (the model's own output, nothing to fit), adapter (a low-rank "
           "map before it) or own (an output matrix for each exit)")
        ->check(one_of({"shared", "adapter", "own"}))
        ->capture_default_str()
        ->group(fitted);
    app.add_option("--head-target", o.head_target,
                   "What heads are fitted to: full-depth (its distribution) or truth (the next token)")
        ->check(one_of({"full-depth", "truth"}))
        ->capture_default_str()
        ->group(fitted);
    add_number(app, "--rank", fit.head_fit.rank, "Of adapters", 1)->group(fitted);
    add_number(app, "--epochs", fit.head_fit.epochs, "Times that heads see each kept token", 1)->group(fitted);
    app.add_option("--learning-rate", fit.head_fit.learning_rate, "Of heads, at the first step; falls to 0")
        ->check(CLI::Range(1e-7, 1.0))
        ->capture_default_str()
        ->group(fitted);
    add_number(app, "--seed", fit.head_fit.seed, "Of the order in which heads see tokens")->group(fitted);
    app.add_option("--gates", fit.gates, "Gates to fit")
        ->delimiter(',')
        ->check(one_of(calibrate::fitted_gate_names()))
        ->type_name("GATE,...")
        ->capture_default_str()
        ->group(fitted);
    app.add_option("--jei-lambda", std::get<calibrate::jei_dnn_fit>(fit.fits).lambda,
                   "jei-dnn: nats that the whole depth costs; more exits earlier")
        ->check(CLI::Range(0.0, 100.0))
        ->capture_default_str()
        ->group(fitted);
    add_number(app, "--router-hidden", std::get<calibrate::mlp_router_fit>(fit.fits).hidden,
               "mlp-router: units of the hidden layer", 1)
        ->group(fitted);
    add_number(app, "--router-epochs", std::get<calibrate::mlp_router_fit>(fit.fits).epochs,
               "mlp-router: times that it sees each kept token", 1)
        ->group(fitted);
    app.add_flag("--sec-each", std::get<calibrate::sec_fit>(fit.fits).each,
                 "sec: a gate for each exit, in place of one for all")
        ->group(fitted);
    app.add_flag("--paper", o.paper,
                 "The Stop&Exit paper's configuration: --heads own --head-target truth --gates sec --sec-labels paper, "
                 "one gate without bias; by a convex fit in place of the paper's AdamW")
        ->group(fitted);
    app.add_option(
           "--labels", o.labels,
           "When learn-to-exit and mlp-router should exit: paper (from the first exit that is right on), right, "
           "agrees (with full depth), harmless (unless only full depth is right)")
        ->check(one_of({"paper", "right", "agrees", "harmless"}))
        ->capture_default_str()
        ->group(fitted);
    app.add_option("--sec-labels", o.sec_labels, "The same for sec")
        ->check(one_of({"paper", "right", "agrees", "harmless"}))
        ->capture_default_str()
        ->group(fitted);
    app.add_flag("--sec-bias", std::get<calibrate::sec_fit>(fit.fits).bias,
                 "Give sec a bias, which the paper's does not have")
        ->group(fitted);
    add_number(app, "--memory", o.megabytes, "Megabytes of observations to keep; of more tokens every n-th is kept", 1)
        ->group(fitted);
}

void add_how(CLI::App& app, fit_options& o) {
    const std::string thresholds = "How thresholds are chosen";
    calibrate::fit_options& fit = o.fit;
    add_fraction(app, "--loss", fit.thresholds.loss,
                 "Share of ROUGE-L that may be lost on texts that nothing was fitted to")
        ->group(thresholds);
    app.add_flag("--no-timing", o.no_timing,
                 "Choose by what layers, output and gates cost alone; otherwise the fastest policies are timed too. "
                 "Processes that work together never time")
        ->group(thresholds);
    app.add_option(
           "--costs", o.costs,
           "Take costs from exits that were stored with some, in place of measuring: the same fit again chooses "
           "the same policies")
        ->check(CLI::ExistingFile)
        ->type_name("FILE")
        ->group(thresholds);
    add_fraction(app, "--confidence", fit.thresholds.confidence,
                 "Level of the intervals over texts that must support a policy's loss and speed; 0: the means decide")
        ->group(thresholds);
    app.add_option("--more-gates", fit.more_gates,
                   "Gates with nothing to fit whose thresholds are chosen too; none: only those that are fitted")
        ->delimiter(',')
        ->check(one_of(gates_without_fit()))
        ->type_name("GATE,...")
        ->capture_default_str()
        ->group(thresholds);
    app.add_option("--kv", o.caches, "Cache policies to try: keys and values of skipped layers")
        ->delimiter(',')
        ->check(one_of({"propagate", "defer", "omit"}))
        ->type_name("POLICY,...")
        ->capture_default_str()
        ->group(thresholds);
    add_fraction(app, "--guarantee", fit.guarantee.eps,
                 "Mean share of ROUGE-L a completion may lose against full depth, tested on a fifth of the texts, one "
                 "prompt of each: every gate's threshold becomes one that passes, or full depth. 0: no test")
        ->group(thresholds);
    app.add_option("--guarantee-in", o.guarantee_in,
                   "probability: it holds, except with probability --delta (Learn-then-Test); expectation: it holds "
                   "on average over texts (conformal risk control), which takes fewer")
        ->check(one_of({"probability", "expectation"}))
        ->type_name("WHAT")
        ->capture_default_str()
        ->group(thresholds);
    add_fraction(app, "--delta", fit.guarantee.delta, "Probability with which the guarantee may fail")
        ->group(thresholds);
    app.add_option("--check-margins", fit.thresholds.check_margins,
                   "Margins to try as the check of learn-to-exit and mlp-router")
        ->delimiter(',')
        ->check(CLI::Range(0.0, 1.0))
        ->type_name("P,...")
        ->group(thresholds);
    add_number(app, "--samples", fit.samples.count, "Prompts to complete", 1)->group(thresholds);
    add_number(app, "--sample-tokens", fit.samples.length, "Tokens of a piece of text, prompt and what follows it")
        ->group(thresholds);
    add_number(app, "--max-new-tokens", fit.samples.new_tokens, "Tokens to complete", 1)->group(thresholds);
}

}  // namespace

command fit(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand(
        "fit", "Fit exit gates to a model on a pile of text, choose their thresholds, write exits.safetensors");
    const auto o = std::make_shared<fit_options>();
    add_options(*sub, o->model);
    add_cache(*sub, o->model);
    add_options(*sub, o->weights);
    add_number(*sub, "--threads", o->threads,
               "Threads that compute; default: as many as there are processor cores, within the container's limit", 1)
        ->default_str("");
    sub->add_option("--out", o->out, "File to write, as a whole or not at all; default: the model folder's")
        ->type_name("FILE");
    sub->add_flag("--estimate", o->estimate,
                  "Fit nothing, but say what it would take: seconds by step, and memory. Measures for some seconds");
    sub->add_option("--checkpoint", o->checkpoint,
                    "Folder to keep in what is finished: after an interruption the same command goes on from there. "
                    "Removed at the end. About as large as --memory says")
        ->type_name("FOLDER");
    sub->add_option("--also-dtype", o->also_formats,
                    "Further weight formats to check the thresholds with; those that hold may use the exits too")
        ->delimiter(',')
        ->check(one_of(weight_format_names(false)))
        ->type_name("FORMAT,...");
    add_corpus_options(*sub, o->texts, o->corpus);
    add_what(*sub, *o);
    add_how(*sub, *o);
    add_json(*sub, o->json);
    add_quiet(*sub, o->quiet);
    sub->footer(
        "Examples:\n"
        "  earlyout fit --model my-model --text sources/\n"
        "  earlyout fit --model my-model --text sources/ --dtype int8 --loss 0.02\n"
        "  earlyout fit --model my-model --text sources/ --guarantee 0.05 --delta 0.1");
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
