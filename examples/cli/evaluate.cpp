// SPDX-License-Identifier: MIT
// `earlyout evaluate`: what early exits are worth on text the model did not see, beside full depth.
#include "commands.hpp"
#include "interrupt.hpp"
#include "make_session.hpp"
#include "output_file.hpp"
#include "page.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "sweep.hpp"

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/evaluate.hpp>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace cli {

namespace {

namespace calibrate = eo::calibrate;

struct evaluate_options {
    model_options model;
    weight_options weights;
    run_options run;
    std::string exits;
    std::vector<std::string> texts;
    calibrate::corpus_options corpus{.suffixes = {".py"}};
    calibrate::sample_options samples;
    sweep_options sweep;
    std::string csv;
    std::string html;
    bool json = false;
};

void print_oracle(std::ostream& to, const calibrate::exit_accuracy& a) {
    to << "Every exit on the true text, " << a.tokens << " tokens\n"
       << "  after layer    right   as full depth   first right   first as full depth\n";
    for (std::size_t e = 0; e < a.layers.size(); ++e) {
        to << std::setw(13) << a.layers[e] << std::setw(9) << percent(a.share(a.right[e])) << std::setw(16)
           << percent(a.share(a.agrees[e])) << std::setw(14) << percent(a.share(a.first_right[e])) << std::setw(22)
           << percent(a.share(a.first_agrees[e])) << '\n';
    }
    to << "        never" << std::setw(39) << percent(a.share(a.never_right)) << '\n'
       << "  A gate that knew full depth's answer would skip " << percent(a.skipped_by_oracle())
       << " of the layers.\n\n";
}

/// What is printed of a sweep's thresholds: the page and --json have all.
void print_decisions(std::ostream& to, const observation& o) {
    if (o.decisions.empty() || o.accuracy.tokens == 0) return;
    to << "Decisions on the true text, at every layer below the top (precision, recall, F1 at the threshold of the "
          "best "
          "F1)\n";
    for (const calibrate::decision_sweep& d : o.decisions) {
        std::size_t best = 0;
        for (std::size_t i = 1; i < d.counts.size(); ++i) {
            if (d.counts[i].f1() > d.counts[best].f1()) best = i;
        }
        const calibrate::yes_no_counts& c = d.counts[best];
        to << "  " << std::left << std::setw(26) << d.gate + ", " + d.decision << std::right << std::setw(7)
           << d.thresholds[best] << std::setw(9) << percent(c.precision()) << std::setw(9) << percent(c.recall())
           << std::setw(7) << fixed(c.f1(), 3) << '\n';
    }
    to << '\n';
}

/// @param width of the longest policy's name
void print_head(std::ostream& to, std::size_t samples, int width) {
    to << samples << " prompts completed greedily, each in turns with full depth. skipped: layers; speed: tokens/s of\n"
       << "decoding against full depth; request: the same with the prompt; loss: of ROUGE-L; agree: tokens as at full\n"
       << "depth before the first that is not\n"
       << "  " << std::left << std::setw(width) << "policy" << std::right
       << " skipped   speed  request     loss    agree   stops (right)\n";
}

void print_row(std::ostream& to, const swept& s, const std::vector<calibrate::sample>& samples, int width) {
    const calibrate::paired_evaluation& p = s.measured;
    to << "  " << std::left << std::setw(width) << name_of(s.config) << std::right << std::setw(8)
       << percent(p.early.layers_skipped()) << std::setw(8) << fixed(p.decode_speedup(), 2) << std::setw(9)
       << fixed(p.request_speedup(), 2) << std::setw(9) << percent(p.rouge_l_loss()) << std::setw(9)
       << percent(p.agreement()) << std::setw(8) << p.early.stops;
    if (p.early.stops != 0) to << " (" << percent(p.stops(samples).precision()) << ')';
    to << std::endl;
}

/// Of the layers that a gate which knew full depth's answer would skip, the share that these exits skip.
double share_of_oracle(const calibrate::exit_accuracy& a, double layers_skipped) {
    const double ceiling = a.skipped_by_oracle();
    return ceiling <= 0.0 ? 0.0 : layers_skipped / ceiling;
}

json row_to_json(const model& m, const evaluation_report& r, const swept& s) {
    const std::vector<calibrate::sample>& samples = r.samples;
    const calibrate::paired_evaluation& p = s.measured;
    const auto side = [](const calibrate::evaluation& e) {
        return json{{"rouge_l", e.mean(e.rouge_l)},
                    {"bleu", e.mean(e.bleu)},
                    {"exact_match", e.mean(static_cast<double>(e.exact))},
                    {"edit_similarity", e.mean(e.edit_similarity)},
                    {"mean_exit_layer", e.mean_exit_layer()},
                    {"prefill_layer_tokens", e.prefill_layer_tokens},
                    {"tokens_per_request", e.mean(static_cast<double>(e.new_tokens))},
                    {"layer_tokens", e.layer_tokens},
                    {"weight_bytes", e.weight_bytes},
                    {"prefill_seconds", e.prefill_seconds},
                    {"decode_seconds", e.decode_seconds},
                    {"head_seconds", e.head_seconds},
                    {"gate_seconds", e.gate_seconds},
                    {"exit_histogram", e.exit_histogram}};
    };
    const calibrate::yes_no_counts stops = p.stops(samples);
    return {{"config", to_json(s.config, exit_layers(m, s.config))},
            {"layers_skipped", p.early.layers_skipped()},
            {"share_of_oracle", share_of_oracle(r.observed.accuracy, p.early.layers_skipped())},
            {"work_saved", p.work_saved()},
            {"decode_speedup", p.decode_speedup()},
            {"request_speedup", p.request_speedup()},
            {"rouge_l_loss", p.rouge_l_loss()},
            {"agreement", p.agreement()},
            {"stops", p.early.stops},
            {"stop_precision", stops.precision()},
            {"stop_recall", stops.recall()},
            {"stop_f1", stops.f1()},
            {"early_exit", side(p.early)},
            {"full_depth", side(p.full)}};
}

json oracle_to_json(const calibrate::exit_accuracy& a) {
    json exits = json::array();
    for (std::size_t e = 0; e < a.layers.size(); ++e) {
        exits.push_back(
            {{"layer", a.layers[e]},
             {"right", a.share(a.right[e])},
             {"agrees", a.share(a.agrees[e])},
             {"first_right", a.share(a.first_right[e])},
             {"first_agrees", a.share(a.first_agrees[e])},
             {"cross_entropy", a.cross_entropy[e] / static_cast<double>(std::max<std::size_t>(1, a.tokens))}});
    }
    return {{"tokens", a.tokens},
            {"exits", exits},
            {"never_right", a.share(a.never_right)},
            {"layers_skipped", a.skipped_by_oracle()}};
}

json decisions_to_json(const observation& o) {
    json all = json::array();
    for (const calibrate::decision_sweep& d : o.decisions) {
        json thresholds = json::array();
        for (std::size_t i = 0; i < d.thresholds.size(); ++i) {
            const calibrate::yes_no_counts& c = d.counts[i];
            thresholds.push_back({{"threshold", d.thresholds[i]},
                                  {"precision", c.precision()},
                                  {"recall", c.recall()},
                                  {"f1", c.f1()},
                                  {"said", c.said_and_true + c.said_and_false},
                                  {"deserved", c.said_and_true + c.missed}});
        }
        all.push_back({{"gate", d.gate}, {"decision", d.decision}, {"thresholds", thresholds}});
    }
    return all;
}

json stops_to_json(const model& m, const evaluation_report& r) {
    json all = json::object();
    for (const char* key : {"0.8", "0.9"}) {
        const swept* found = best_stop_at_precision(r.sweep, r.samples, std::stod(key));
        if (found == nullptr) {
            all[key] = nullptr;
            continue;
        }
        const calibrate::yes_no_counts stops = found->measured.stops(r.samples);
        all[key] = {{"work_saved", found->measured.work_saved()},
                    {"stops", found->measured.early.stops},
                    {"precision", stops.precision()},
                    {"recall", stops.recall()},
                    {"rouge_l_loss", found->measured.rouge_l_loss()},
                    {"config", to_json(found->config, exit_layers(m, found->config))}};
    }
    return all;
}

json to_json(const evaluate_options& o, const model& m, const evaluation_report& r) {
    json sweep = json::array();
    for (const swept& s : r.sweep) sweep.push_back(row_to_json(m, r, s));
    json best = json::object();
    for (const char* key : {"0", "0.011", "0.03", "0.05"}) {
        const swept* found = best_at_loss(r.sweep, std::stod(key));
        exit_options none;
        const exit_options& config = found != nullptr ? found->config : none;
        best[key] = {
            {"layers_skipped", found != nullptr ? found->measured.early.layers_skipped() : 0.0},
            {"decode_speedup", found != nullptr ? found->measured.decode_speedup() : 1.0},
            {"rouge_l_loss", found != nullptr ? found->measured.rouge_l_loss() : 0.0},
            {"share_of_oracle",
             found != nullptr ? share_of_oracle(r.observed.accuracy, found->measured.early.layers_skipped()) : 0.0},
            {"stops", 0},
            {"config", to_json(config, exit_layers(m, config))}};
    }
    return {{"model", o.model.folder},
            {"weight_format", m.network().weight_format()},
            {"threads", o.run.threads},
            {"texts", r.texts},
            {"samples", r.samples.size()},
            {"new_tokens", o.samples.new_tokens},
            {"seed", o.samples.seed},
            {"oracle", oracle_to_json(r.observed.accuracy)},
            {"sweep", sweep},
            {"best_at_loss", best},
            {"best_stop_at_precision", stops_to_json(m, r)},
            {"decisions", decisions_to_json(r.observed)}};
}

void print_best(std::ostream& to, const evaluation_report& r) {
    to << "\nFastest without stops, chosen and measured on these samples\n";
    for (const double loss : {0.0, 0.011, 0.03, 0.05}) {
        to << "  loss up to " << std::setw(5) << percent(loss) << "   ";
        if (const swept* found = best_at_loss(r.sweep, loss)) {
            const double skipped = found->measured.early.layers_skipped();
            to << name_of(found->config) << ": " << fixed(found->measured.decode_speedup(), 2) << " x, "
               << percent(skipped) << " of the layers skipped, "
               << percent(share_of_oracle(r.observed.accuracy, skipped)) << " of the oracle's\n";
        } else {
            to << "full depth\n";
        }
    }
    bool headed = false;
    for (const double precision : {0.8, 0.9}) {
        const swept* found = best_stop_at_precision(r.sweep, r.samples, precision);
        if (found == nullptr) continue;
        if (!std::exchange(headed, true)) to << "\nStops that save most work, prompts counted\n";
        to << "  right in at least " << percent(precision) << "   " << name_of(found->config) << ": "
           << percent(found->measured.work_saved()) << " of the work saved by " << found->measured.early.stops
           << " stops, " << percent(found->measured.stops(r.samples).precision()) << " right\n";
    }
}

std::string table(const evaluation_report& r) {
    std::ostringstream text;
    text << "policy,layers_skipped,decode_speedup,request_speedup,rouge_l_loss,agreement,stops,stop_precision,"
            "stop_recall,stop_f1,share_of_oracle,work_saved,rouge_l,bleu,exact_match,edit_similarity,mean_exit_layer,"
            "tokens_per_request,prefill_seconds,decode_seconds,head_seconds,gate_seconds\n";
    for (const swept& s : r.sweep) {
        const calibrate::paired_evaluation& p = s.measured;
        const calibrate::evaluation& e = p.early;
        const calibrate::yes_no_counts stops = p.stops(r.samples);
        text << '"' << name_of(s.config) << '"';
        for (const double value : {e.layers_skipped(),
                                   p.decode_speedup(),
                                   p.request_speedup(),
                                   p.rouge_l_loss(),
                                   p.agreement(),
                                   static_cast<double>(e.stops),
                                   stops.precision(),
                                   stops.recall(),
                                   stops.f1(),
                                   share_of_oracle(r.observed.accuracy, e.layers_skipped()),
                                   p.work_saved(),
                                   e.mean(e.rouge_l),
                                   e.mean(e.bleu),
                                   e.mean(static_cast<double>(e.exact)),
                                   e.mean(e.edit_similarity),
                                   e.mean_exit_layer(),
                                   e.mean(static_cast<double>(e.new_tokens)),
                                   e.prefill_seconds,
                                   e.decode_seconds,
                                   e.head_seconds,
                                   e.gate_seconds}) {
            text << ',' << value;
        }
        text << '\n';
    }
    return std::move(text).str();
}

std::string page_of(const model& m, const eo::any_head& head, const evaluation_report& r) {
    std::vector<shown_completion> shown = completions_to_show(r);
    for (shown_completion& stop : stops_to_show(r)) shown.push_back(std::move(stop));
    for (shown_completion& s : shown) s.answers = answers_of_layers(m, head, r.samples[s.sample].prompt, s.early().ids);
    return make_page(r, shown, [&](std::span<const eo::token_id> ids) { return m.tokenizer().decode(ids); });
}

int run(evaluate_options& o) {
    const model m = load(o.model, o.weights, o.exits);
    (void)tokenizer_of(m, o.model.folder);
    const std::vector<exit_options> configs = make_sweep(m, o.sweep);
    const eo::any_head head = make_head(m, o.sweep.paper ? "own" : o.sweep.head);
    const auto texts = calibrate::read_corpus(m, {o.texts.begin(), o.texts.end()}, o.corpus);
    output_file csv(o.csv), html(o.html);
    evaluation_report r{.model = o.model.folder,
                        .weight_format = m.network().weight_format(),
                        .threads = o.run.threads,
                        .texts = texts.size(),
                        .cut = o.samples,
                        .observed = {},
                        .samples = {},
                        .sweep = {}};
    r.samples = calibrate::cut_samples(texts, o.samples);
    if (r.samples.empty()) {
        eo::fail(eo::errc::invalid_argument, "--text: expected texts of at least ", o.samples.new_tokens + 2,
                 " tokens, found none");
    }
    int width = 50;
    for (const exit_options& config : configs) width = std::max(width, static_cast<int>(name_of(config).size()));
    const interrupt interrupted;
    progress_line progress(!o.json);
    r.observed = observe(m, head, texts, o.run.threads, interrupted.token(), [&](std::size_t tokens) {
        progress("every exit on the true text: " + std::to_string(tokens) + " tokens");
    });
    progress.clear();
    if (!o.json) {
        print_oracle(std::cout, r.observed.accuracy);
        print_decisions(std::cout, r.observed);
        print_head(std::cout, r.samples.size(), width);
    }

    auto full = make_session(m, exit_options{}, o.run);
    const auto complete_full = [&](std::span<const eo::token_id> prompt, const eo::generate_options& options) {
        return full.complete(prompt, options);
    };
    const auto text_of = [&](std::span<const eo::token_id> ids) { return m.tokenizer().decode(ids); };
    eo::generate_options generate;
    generate.cancel = interrupted.token();
    for (const exit_options& config : configs) {
        progress("measuring " + name_of(config) + " (" + std::to_string(r.sweep.size() + 1) + " of " +
                 std::to_string(configs.size()) + ")");
        auto early = make_session(m, config, o.run, head);
        const auto complete_early = [&](std::span<const eo::token_id> prompt, const eo::generate_options& options) {
            return early.complete(prompt, options);
        };
        swept done{config, calibrate::evaluate_pair(r.samples, complete_early, complete_full, text_of, generate)};
        if (interrupted.token().stop_requested()) break;
        r.sweep.push_back(std::move(done));
        progress.clear();
        if (!o.json) print_row(std::cout, r.sweep.back(), r.samples, width);
    }
    progress.clear();
    r.complete = !interrupted.token().stop_requested();
    if (csv.wanted()) csv.write(table(r));
    if (html.wanted()) html.write(page_of(m, head, r));
    if (o.json) {
        print(std::cout, to_json(o, m, r));
    } else {
        print_best(std::cout, r);
    }
    return interrupted.status();
}

}  // namespace

command evaluate(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand(
        "evaluate",
        "Complete pieces of real text with many exit policies and at full depth, and say what each is worth");
    const auto o = std::make_shared<evaluate_options>();
    add_options(*sub, o->model);
    add_options(*sub, o->weights);
    add_options(*sub, o->run);
    sub->add_option("--exits", o->exits, "Exits to evaluate, in place of the model folder's exits.safetensors")
        ->type_name("FILE");
    add_corpus_options(*sub, o->texts, o->corpus);
    const std::string samples = "Samples";
    add_number(*sub, "--samples", o->samples.count, "Prompts to complete", 1)->group(samples);
    add_number(*sub, "--sample-tokens", o->samples.length, "Tokens of a piece of text, prompt and what follows it")
        ->group(samples);
    add_number(*sub, "--max-new-tokens", o->samples.new_tokens, "Tokens to complete", 1)->group(samples);
    add_number(*sub, "--seed", o->samples.seed, "Of the split between prompt and continuation")->group(samples);
    const std::string policies = "Exit policies, all combinations";
    sub->add_option("--gates", o->sweep.gates,
                    "Gates to try; left out: fixed, margin, and what the model has exits for")
        ->delimiter(',')
        ->check(CLI::IsMember(gates_to_sweep()))
        ->type_name("GATE,...")
        ->group(policies);
    sub->add_option("--thresholds", o->sweep.thresholds, "Left out: a grid for each gate")
        ->delimiter(',')
        ->type_name("P,...")
        ->group(policies);
    sub->add_option("--check-margins", o->sweep.check_margins, "Margins that learn-to-exit's answers are checked with")
        ->delimiter(',')
        ->type_name("P,...")
        ->capture_default_str()
        ->group(policies);
    add_layers(*sub, "--shortlists", o->sweep.shortlists,
               "Sizes of the shortlist that later exits are asked about, for gates that look at answers at several "
               "exits; 0 (and left out): the whole vocabulary")
        ->group(policies);
    sub->add_option(
           "--shortlist-reach", o->sweep.shortlist_reach,
           "Where shortlists answer: exits (full depth looks at the whole vocabulary) or full-depth (it looks at "
           "the shortlist too, where an exit was asked)")
        ->check(CLI::IsMember({"exits", "full-depth"}))
        ->type_name("WHERE")
        ->capture_default_str()
        ->group(policies);
    add_head_option(*sub, o->sweep.head)->group(policies);
    sub->add_flag(
           "--paper", o->sweep.paper,
           "The Stop&Exit paper's configuration (after fit --paper): own heads, sec after every layer, propagate, "
           "the paper's thresholds of exit and of stop, one at a time")
        ->group(policies);
    add_layers(*sub, "--exit-layers", o->sweep.layers, "Layers after which gates are asked; left out: each gate's own")
        ->group(policies);
    sub->add_option("--kv", o->sweep.kv, "Cache policies")
        ->delimiter(',')
        ->check(CLI::IsMember({"propagate", "defer", "omit"}))
        ->type_name("POLICY,...")
        ->capture_default_str()
        ->group(policies);
    add_layers(*sub, "--defer-caps", o->sweep.defer_caps,
               "With --kv defer: most generated tokens that may wait; 0 (and left out): any number")
        ->group(policies);
    sub->add_option("--prefill", o->sweep.prefill, "With --kv defer: prompts eager or lazy")
        ->check(CLI::IsMember({"eager", "lazy"}))
        ->type_name("ORDER")
        ->capture_default_str()
        ->group(policies);
    sub->add_option("--csv", o->csv, "Also write the table to this file")->type_name("FILE");
    sub->add_option("--html", o->html, "Also write everything to this file as one page with charts and completions")
        ->type_name("FILE");
    add_json(*sub, o->json);
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
