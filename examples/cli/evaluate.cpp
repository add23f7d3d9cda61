// SPDX-License-Identifier: MIT
// `earlyout evaluate`: what early exits are worth on text the model did not see, beside full depth.
#include "commands.hpp"
#include "interrupt.hpp"
#include "intervals.hpp"
#include "memory.hpp"
#include "output_file.hpp"
#include "page.hpp"
#include "policy.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "run_facts.hpp"
#include "team.hpp"

#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/evaluate.hpp>
#include <earlyout/calibrate/exit_accuracy.hpp>
#include <earlyout/calibrate/monitor.hpp>
#include <earlyout/calibrate/observe.hpp>
#include <earlyout/calibrate/policy_intervals.hpp>
#include <earlyout/calibrate/results_json.hpp>
#include <earlyout/calibrate/skill.hpp>
#include <earlyout/calibrate/sweep.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/generate/drafts/catalogue.hpp>
#include <earlyout/generate/make_session.hpp>

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
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
    calibrate::sweep_options sweep;
    std::vector<std::string> policies;
    std::vector<std::string> drafts;
    bool wants_drafts = false;
    std::string prefill = "eager";
    std::string reach = "exits";
    std::string csv;
    std::string html;
    bool json = false;
    bool quiet = false;
};

/// Sums over the completions of a policy with drafts.
struct draft_totals {
    std::size_t identical = 0;  ///< completions with the ids and log-probabilities of full depth
    double tokens = 0.0, steps = 0.0, drafted = 0.0, accepted = 0.0;

    [[nodiscard]] double tokens_per_round() const { return steps > 0.0 ? tokens / steps : 1.0; }
    [[nodiscard]] double accepted_share() const { return drafted > 0.0 ? accepted / drafted : 0.0; }
};

draft_totals draft_totals_of(const calibrate::paired_evaluation& p) {
    draft_totals sum;
    for (std::size_t i = 0; i < p.early.results.size(); ++i) {
        const eo::completion& made = p.early.results[i];
        const eo::completion& full = p.full.results[i];
        sum.identical += made.ids == full.ids && made.log_probabilities == full.log_probabilities;
        sum.tokens += static_cast<double>(made.ids.size()) - (made.ids.empty() ? 0.0 : 1.0);
        sum.steps += static_cast<double>(made.stats.decode_steps);
        sum.drafted += static_cast<double>(made.stats.drafted);
        sum.accepted += static_cast<double>(made.stats.accepted);
    }
    return sum;
}

void print_drafts(std::ostream& to, const evaluation_report& r) {
    bool headed = false;
    for (const calibrate::swept_policy& s : r.sweep) {
        if (s.policy.drafts.is_none()) continue;
        if (!std::exchange(headed, true)) {
            to << "\nDrafts, verified at full depth\n"
                  "  identical      speed   tokens/round   accepted   drafts\n";
        }
        const draft_totals totals = draft_totals_of(s.measured);
        const std::string identical =
            std::to_string(totals.identical) + " of " + std::to_string(s.measured.early.results.size());
        to << "  " << std::left << std::setw(12) << identical << std::right << std::setw(8)
           << fixed(s.measured.decode_speedup(), 2) << std::setw(15) << fixed(totals.tokens_per_round(), 2)
           << std::setw(11) << percent(totals.accepted_share()) << "   " << to_string(s.policy.drafts) << '\n';
    }
}

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
void print_decisions(std::ostream& to, const calibrate::observation& o) {
    if (o.decisions.empty() || o.accuracy.tokens == 0) return;
    to << "Decisions on the true text, at every layer below the top (precision, recall, F1 at the threshold of the "
          "best "
          "F1)\n";
    for (const calibrate::decision_sweep& d : o.decisions) {
        std::size_t best = 0;
        for (std::size_t i = 1; i < d.counts.size(); ++i) {
            if (d.counts[i].f1() > d.counts[best].f1()) best = i;
        }
        const calibrate::confusion_counts& c = d.counts[best];
        to << "  " << std::left << std::setw(26) << d.gate + ", " + d.decision << std::right << std::setw(7)
           << d.thresholds[best] << std::setw(9) << percent(c.precision()) << std::setw(9) << percent(c.recall())
           << std::setw(7) << fixed(c.f1(), 3) << '\n';
    }
    to << '\n';
}

/// @param width of the longest policy's name
void print_head(std::ostream& to, std::size_t samples, std::size_t threads, bool quiet, int width) {
    if (!quiet) {
        to << samples << " prompts completed greedily on " << threads << (threads == 1 ? " thread" : " threads")
           << ", each in turns with full depth. skipped: layers;\n"
           << "speed: tokens/s of decoding against full depth; request: the same with the prompt;\n"
           << "loss: of ROUGE-L; agree: tokens as at full depth before the first that is not;\n"
           << "in brackets: 95 % intervals over texts\n";
    }
    to << "  " << std::left << std::setw(width) << "policy" << std::right << " skipped   " << std::left << std::setw(20)
       << "speed"
       << " request    " << std::setw(22) << "loss" << std::right << "  agree   stops (precision)\n";
}

void print_row(std::ostream& to, const calibrate::swept_policy& s, const std::vector<calibrate::sample>& samples,
               int width) {
    const calibrate::paired_evaluation& p = s.measured;
    const calibrate::policy_intervals& in = s.intervals;
    to << "  " << std::left << std::setw(width) << to_string(s.policy) << std::right << std::setw(8)
       << percent(p.early.layers_skipped()) << "   " << std::left << std::setw(20)
       << fixed(p.decode_speedup(), 2) + ' ' + range(in.decode_speedup, 2) << std::right << std::setw(8)
       << fixed(p.request_speedup(), 2) << "    " << std::left << std::setw(22)
       << percent(p.rouge_l_loss()) + ' ' + range(in.rouge_l_loss, 1, 100.0) << std::right << std::setw(7)
       << percent(p.agreement()) << std::setw(8) << p.early.stops;
    if (p.early.stops != 0) to << " (" << percent(p.stops(samples).precision()) << ')';
    to << std::endl;
}

json oracle_to_json(const calibrate::exit_accuracy& a) {
    return {{"tokens", a.tokens},
            {"exits", calibrate::to_json(a)},
            {"never_right", a.share(a.never_right)},
            {"layers_skipped", a.skipped_by_oracle()}};
}

json stops_to_json(const evaluation_report& r) {
    json all = json::object();
    for (const char* key : {"0.8", "0.9"}) {
        const calibrate::swept_policy* found = calibrate::best_stop_at_precision(r.sweep, r.samples, std::stod(key));
        if (found == nullptr) {
            all[key] = nullptr;
            continue;
        }
        const calibrate::confusion_counts stops = found->measured.stops(r.samples);
        all[key] = {{"work_saved", found->measured.work_saved()},
                    {"stops", found->measured.early.stops},
                    {"precision", stops.precision()},
                    {"recall", stops.recall()},
                    {"rouge_l_loss", found->measured.rouge_l_loss()},
                    {"config", calibrate::to_json(found->policy, found->layers, found->head)}};
    }
    return all;
}

/// What of a policy's completions is not in the table: drafts change nothing, so what counts is that, and how fast.
json drafts_to_json(const evaluation_report& r) {
    json all = json::array();
    for (const calibrate::swept_policy& s : r.sweep) {
        if (s.policy.drafts.is_none()) continue;
        const draft_totals totals = draft_totals_of(s.measured);
        all.push_back({{"draft", to_string(s.policy.drafts)},
                       {"policy", to_string(s.policy)},
                       {"samples", s.measured.early.results.size()},
                       {"identical", totals.identical},
                       {"decode_speedup", s.measured.decode_speedup()},
                       {"tokens_per_round", totals.tokens_per_round()},
                       {"accepted_share", totals.accepted_share()}});
    }
    return all;
}

/// Returns how many samples may show that a policy loses no more than this; 0: it is not known.
std::size_t samples_needed(const evaluation_report& r, const calibrate::swept_policy& s, double loss) {
    return calibrate::samples_to_support(s.measured.rouge_l_loss(), s.intervals.rouge_l_loss, loss, r.samples.size());
}

json to_json(const evaluate_options& o, const model& m, const evaluation_report& r) {
    json decisions = json::array();
    for (const calibrate::decision_sweep& d : r.observed.decisions) decisions.push_back(calibrate::to_json(d));
    json sweep = json::array();
    for (const calibrate::swept_policy& s : r.sweep) {
        sweep.push_back(calibrate::to_json(s, r.samples, r.observed.accuracy));
    }
    json best = json::object();
    for (const char* key : {"0", "0.011", "0.03", "0.05"}) {
        const calibrate::swept_policy* found = winner(r, std::stod(key));
        best[key] = {
            {"layers_skipped", found != nullptr ? found->measured.early.layers_skipped() : 0.0},
            {"decode_speedup", found != nullptr ? found->measured.decode_speedup() : 1.0},
            {"rouge_l_loss", found != nullptr ? found->measured.rouge_l_loss() : 0.0},
            {"share_of_oracle",
             found != nullptr ? calibrate::share_of_oracle(r.observed.accuracy, found->measured.early.layers_skipped())
                              : 0.0},
            {"stops", 0},
            {"config", found != nullptr ? calibrate::to_json(found->policy, found->layers, found->head)
                                        : calibrate::to_json(eo::policy_spec{}, {}, "shared")}};
        best[key]["intervals"] = found != nullptr ? calibrate::to_json(found->intervals) : json();
        const calibrate::swept_policy* const promising =
            found != nullptr || r.lacks ? nullptr : calibrate::promising_at_loss(r.sweep, std::stod(key));
        best[key]["promising"] = promising != nullptr ? json(to_string(promising->policy)) : json();
        best[key]["samples_needed"] = promising != nullptr ? samples_needed(r, *promising, std::stod(key)) : 0;
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
            {"lacks", r.lacks ? json(*r.lacks) : json()},
            {"best_at_loss", best},
            {"best_stop_at_precision", stops_to_json(r)},
            {"decisions", decisions},
            {"drafts", drafts_to_json(r)}};
}

void print_best(std::ostream& to, const evaluation_report& r) {
    if (r.lacks) {
        to << "\nNo policy wins: " << *r.lacks << '\n';
        return;
    }
    to << "\nFastest without stops, chosen and measured on these samples, as far as their intervals support it\n";
    for (const double loss : {0.0, 0.011, 0.03, 0.05}) {
        to << "  loss up to " << std::setw(5) << percent(loss) << "   ";
        if (const calibrate::swept_policy* found = winner(r, loss)) {
            const double skipped = found->measured.early.layers_skipped();
            to << to_string(found->policy) << ": " << fixed(found->measured.decode_speedup(), 2) << " x "
               << range(found->intervals.decode_speedup, 2) << ", " << percent(skipped) << " of the layers skipped, "
               << percent(calibrate::share_of_oracle(r.observed.accuracy, skipped)) << " of the oracle's\n";
        } else {
            to << "full depth";
            if (const calibrate::swept_policy* const maybe = calibrate::promising_at_loss(r.sweep, loss)) {
                to << "; " << to_string(maybe->policy) << " may be " << fixed(maybe->measured.decode_speedup(), 2)
                   << " x " << range(maybe->intervals.decode_speedup, 2) << " at "
                   << percent(maybe->measured.rouge_l_loss()) << ' ' << range(maybe->intervals.rouge_l_loss, 1, 100.0);
                if (const std::size_t needed = samples_needed(r, *maybe, loss)) {
                    to << ": about " << std::max(needed, r.samples.size() + 1) << " samples would tell";
                }
            }
            to << '\n';
        }
    }
    bool headed = false;
    for (const double precision : {0.8, 0.9}) {
        const calibrate::swept_policy* found = calibrate::best_stop_at_precision(r.sweep, r.samples, precision);
        if (found == nullptr) continue;
        if (!std::exchange(headed, true)) to << "\nStops that save most work, prompts counted\n";
        to << "  right in at least " << percent(precision) << "   " << to_string(found->policy) << ": "
           << percent(found->measured.work_saved()) << " of the work saved by " << found->measured.early.stops
           << " stops, " << percent(found->measured.stops(r.samples).precision()) << " right\n";
    }
}

std::string table(const evaluation_report& r) {
    std::ostringstream text;
    text << "policy,layers_skipped,decode_speedup,request_speedup,rouge_l_loss,agreement,stops,stop_precision,"
            "stop_recall,stop_f1,share_of_oracle,work_saved,rouge_l,bleu,exact_match,edit_similarity,mean_exit_layer,"
            "tokens_per_request,prefill_seconds,decode_seconds,head_seconds,gate_seconds,decode_speedup_low,"
            "decode_speedup_high,rouge_l_loss_low,rouge_l_loss_high\n";
    for (const calibrate::swept_policy& s : r.sweep) {
        const calibrate::paired_evaluation& p = s.measured;
        const calibrate::evaluation& e = p.early;
        const calibrate::confusion_counts stops = p.stops(r.samples);
        text << '"' << to_string(s.policy) << '"';
        for (const double value : {e.layers_skipped(),
                                   p.decode_speedup(),
                                   p.request_speedup(),
                                   p.rouge_l_loss(),
                                   p.agreement(),
                                   static_cast<double>(e.stops),
                                   stops.precision(),
                                   stops.recall(),
                                   stops.f1(),
                                   calibrate::share_of_oracle(r.observed.accuracy, e.layers_skipped()),
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
                                   e.gate_seconds,
                                   s.intervals.decode_speedup.low,
                                   s.intervals.decode_speedup.high,
                                   s.intervals.rouge_l_loss.low,
                                   s.intervals.rouge_l_loss.high}) {
            text << ',' << value;
        }
        text << '\n';
    }
    return std::move(text).str();
}

std::string page_of(const model& m, const eo::any_head& head, const evaluation_report& r) {
    std::vector<shown_completion> shown = completions_to_show(r);
    for (shown_completion& stop : stops_to_show(r)) shown.push_back(std::move(stop));
    for (shown_completion& s : shown)
        s.answers = calibrate::predictions_of_layers(m, head, r.samples[s.sample].prompt, s.early().ids);
    return make_page(r, shown, [&](std::span<const eo::token_id> ids) { return m.tokenizer().decode(ids); });
}

/// Heads by what they are: packing one takes time, and many policies share one.
class head_cache {
public:
    explicit head_cache(const model& m) : model_(m) {}

    const eo::any_head& of(const eo::policy_spec& policy) {
        const auto reach = static_cast<int>(policy.shortlist.reach);
        const auto [found, is_new] = heads_.try_emplace({policy.head, policy.shortlist.tokens, reach});
        if (is_new) found->second = make_head(policy, model_);
        return found->second;
    }

private:
    const model& model_;
    std::map<std::tuple<std::string, std::size_t, int>, eo::any_head> heads_;
};

int run(evaluate_options& o) {
    const model m = load(o.model, o.weights, o.exits);
    (void)tokenizer_of(m, o.model.folder);
    require_memory_to_run(m, o.run);
    for (const std::string& policy : o.policies) o.sweep.policies.push_back(parse_policy(policy));
    o.sweep.prefill = o.prefill == "lazy" ? eo::prefill::lazy : eo::prefill::eager;
    o.sweep.reach = o.reach == "full-depth" ? eo::shortlist_reach::full_depth : eo::shortlist_reach::exits;
    std::vector<eo::policy_spec> policies = calibrate::make_sweep(m, o.sweep);
    if (o.wants_drafts && o.drafts.empty()) {
        for (const eo::drafter_entry& entry : eo::drafter_catalogue()) {
            if (!entry.uses_exits || m.has_exits()) o.drafts.emplace_back(entry.info.name);
        }
        o.drafts.emplace_back("auto");
    }
    for (const std::string& drafts : o.drafts) {
        eo::policy_spec policy;
        policy.drafts = parse_drafts(drafts);
        policies.push_back(resolve(policy, m));
    }
    head_cache heads(m);
    eo::policy_spec usual;
    usual.head = o.sweep.paper ? "own" : o.sweep.head;
    const eo::any_head& head = heads.of(usual);
    const auto texts = calibrate::read_corpus(m, {o.texts.begin(), o.texts.end()}, o.corpus);
    const bool has_csv = !o.csv.empty() && std::filesystem::exists(o.csv);
    const bool has_html = !o.html.empty() && std::filesystem::exists(o.html);
    const interrupt interrupted(team() == nullptr);  // from where files are begun
    output_file csv(is_first() ? o.csv : ""), html(is_first() ? o.html : "");
    evaluation_report r{.model = o.model.folder,
                        .weight_format = m.network().weight_format(),
                        .threads = o.run.threads,
                        .texts = texts.size(),
                        .cut = o.samples,
                        .observed = {},
                        .samples = {},
                        .sweep = {},
                        .complete = true,
                        .lacks = {},
                        .command = command_as_typed(),
                        .when = today(),
                        .machine = machine_name()};
    r.samples = calibrate::cut_samples(texts, o.samples);
    if (r.samples.empty()) {
        eo::fail(eo::errc::invalid_argument, "--text: expected texts of at least ", o.samples.new_tokens + 2,
                 " tokens, found none");
    }
    int width = 50;
    for (const eo::policy_spec& policy : policies) {
        width = std::max(width, static_cast<int>(to_string(policy).size()));
    }
    progress_line progress(!o.json && !o.quiet && is_first());
    {
        eo::thread_pool threads(o.run.threads);
        r.observed =
            calibrate::observe(m, head, texts, threads, {interrupted.token(), timed_progress(progress), team()});
    }
    progress.clear();
    r.lacks = calibrate::lack_of_skill(r.observed.accuracy, texts);
    if (!o.json) {
        if (!o.quiet) {
            print_oracle(std::cout, r.observed.accuracy);
            print_decisions(std::cout, r.observed);
            if (const std::string few = too_few(r.samples.size(), {0.011, 0.03, 0.05}); !few.empty()) {
                std::cout << few << '\n';
            }
        }
        print_head(std::cout, r.samples.size(), o.run.threads, o.quiet, width);
    }

    auto full = eo::make_session(m, eo::policy_spec{}, session_options_of(o.run));
    const auto complete_full = [&](std::span<const eo::token_id> prompt, const eo::generate_options& options) {
        return full.complete(prompt, options);
    };
    const auto text_of = [&](std::span<const eo::token_id> ids) { return m.tokenizer().decode(ids); };
    const auto report_progress = timed_progress(progress);
    eo::generate_options generate;
    generate.cancel = interrupted.token();
    for (const eo::policy_spec& policy : policies) {
        report_progress("completing prompts by " + std::to_string(policies.size()) + " policies", r.sweep.size(),
                        policies.size());
        const eo::policy_spec resolved = resolve(policy, m);
        auto early = eo::make_session(m, resolved, session_options_of(o.run), heads.of(resolved));
        const auto complete_early = [&](std::span<const eo::token_id> prompt, const eo::generate_options& options) {
            return early.complete(prompt, options);
        };
        calibrate::swept_policy done{
            policy,
            resolved.layers,
            resolved.head,
            calibrate::evaluate_pair(r.samples, complete_early, complete_full, text_of, generate, team()),
            {}};
        if (interrupted.token().stop_requested()) break;
        done.intervals = calibrate::intervals_of(done.measured, r.samples);
        r.sweep.push_back(std::move(done));
        progress.clear();
        if (!o.json) print_row(std::cout, r.sweep.back(), r.samples, width);
    }
    progress.clear();
    if (!is_first()) return 0;
    r.complete = !interrupted.token().stop_requested();
    // What was interrupted replaces nothing.
    const auto keeps = [&](const std::string& path, bool is_there) {
        if (r.complete || !is_there) return false;
        std::cerr << "earlyout: " << path << ": left as it was, since the measurement was interrupted\n";
        return true;
    };
    if (csv.wanted() && !keeps(o.csv, has_csv)) csv.write(table(r));
    if (html.wanted() && !keeps(o.html, has_html)) html.write(page_of(m, head, r));
    if (o.json) {
        print(std::cout, to_json(o, m, r));
    } else if (!o.quiet) {
        print_best(std::cout, r);
        print_drafts(std::cout, r);
    }
    return interrupted.status();
}

std::vector<std::string> gate_names() {
    std::vector<std::string> names;
    for (const eo::gate_entry& entry : eo::gate_catalogue()) names.emplace_back(entry.info.name);
    return names;
}

}  // namespace

command evaluate(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand(
        "evaluate",
        "Complete pieces of real text with many exit policies and at full depth, and say what each is worth");
    const auto o = std::make_shared<evaluate_options>();
    add_options(*sub, o->model);
    add_cache(*sub, o->model);
    add_options(*sub, o->weights);
    o->run.threads = 1;
    add_options(*sub, o->run);
    sub->get_option("--threads")->description("Threads that compute; speeds are for that number")->default_str("1");
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
    sub->add_option(
           "--policy", o->policies,
           "A policy to measure, as printed; may be given several times. Default: all combinations of the rest")
        ->allow_extra_args(false)
        ->type_name("POLICY")
        ->group(policies);
    sub->add_option(
           "--gates", o->sweep.gates,
           "Gates to try; default: fixed, margin, and what was fitted to the model, with the policies that fit chose "
           "among them")
        ->delimiter(',')
        ->check(one_of(gate_names()))
        ->type_name("GATE,...")
        ->group(policies);
    sub->add_option("--thresholds", o->sweep.thresholds, "Default: a grid for each gate")
        ->delimiter(',')
        ->type_name("P,...")
        ->group(policies);
    sub->add_option("--check-margins", o->sweep.check_margins,
                    "Margins that exits of learn-to-exit and mlp-router are checked with")
        ->delimiter(',')
        ->type_name("P,...")
        ->capture_default_str()
        ->group(policies);
    add_layers(
        *sub, "--shortlists", o->sweep.shortlists,
        "Sizes of the shortlist that later exits compute logits of, for gates that read logits at several exits; "
        "0 (the default): the whole vocabulary")
        ->group(policies);
    sub->add_option("--shortlist-reach", o->reach,
                    "Where shortlists are used: exits (full depth computes all logits) or full-depth (it uses the "
                    "shortlist too, "
                    "where an exit was evaluated)")
        ->check(one_of({"exits", "full-depth"}))
        ->type_name("WHERE")
        ->capture_default_str()
        ->group(policies);
    add_head_option(*sub, o->sweep.head)->group(policies);
    add_layers(
        *sub, "--experts", o->sweep.active_experts,
        "Experts that a token chooses in each mixture, for every policy and at full depth; 0: as many as the model's "
        "own; default: its own, and fewer at full depth")
        ->group(policies);
    sub->add_flag(
           "--paper", o->sweep.paper,
           "The Stop&Exit paper's configuration (after fit --paper): own heads, sec after every layer, propagate, "
           "the paper's thresholds of exit and of stop, one at a time")
        ->group(policies);
    add_layers(*sub, "--exit-layers", o->sweep.layers,
               "Layers after which gates are evaluated; default: each gate's own")
        ->group(policies);
    sub->add_option("--kv", o->sweep.caches, "Cache policies")
        ->delimiter(',')
        ->check(one_of({"propagate", "defer", "omit"}))
        ->type_name("POLICY,...")
        ->capture_default_str()
        ->group(policies);
    add_layers(*sub, "--defer-caps", o->sweep.defer_caps,
               "With --kv defer: max deferred tokens; 0 (the default): any number")
        ->group(policies);
    sub->add_option("--prefill", o->prefill, "With --kv defer: prompts eager or lazy")
        ->check(one_of({"eager", "lazy"}))
        ->type_name("ORDER")
        ->capture_default_str()
        ->group(policies);
    sub->add_option_function<std::vector<std::string>>(
           "--drafts",
           [o](const std::vector<std::string>& given) {
               o->wants_drafts = true;
               for (const std::string& one : given) {
                   if (!one.empty()) o->drafts.push_back(one);
               }
           },
           "Also measure drafts at full depth: these, or without a value every drafter and auto")
        ->expected(0, 100)
        ->delimiter(',')
        ->type_name("DRAFTS,...")
        ->group(policies);
    sub->add_option("--csv", o->csv, "Also write the table to this file")->type_name("FILE");
    sub->add_option("--html", o->html, "Also write everything to this file as one page with charts and completions")
        ->type_name("FILE");
    add_json(*sub, o->json);
    add_quiet(*sub, o->quiet);
    sub->footer(
        "Examples:\n"
        "  earlyout evaluate --model my-model --text other-sources/\n"
        "  earlyout evaluate --text other-sources/ --policy fitted --policy 'fixed @ 4'\n"
        "  earlyout evaluate --text other-sources/ --policy full-depth --drafts\n"
        "  earlyout evaluate --text other-sources/ --gates fixed,margin --html page.html");
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
