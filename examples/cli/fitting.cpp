// SPDX-License-Identifier: MIT
// From a model and a pile of text to fitted exits, calibrated and with their thresholds chosen.
#include "fitting.hpp"
#include "any_session.hpp"
#include "interrupt.hpp"
#include "progress.hpp"
#include "sweep.hpp"

#include <earlyout/calibrate/answer_again.hpp>
#include <earlyout/calibrate/collect.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/evaluate.hpp>
#include <earlyout/calibrate/fit_gates.hpp>
#include <earlyout/calibrate/fit_heads.hpp>
#include <earlyout/calibrate/risk.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/io/sidecar.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <iomanip>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace cli {

namespace {

namespace calibrate = eo::calibrate;
using calibrate::corpus_part;
using calibrate::corpus_text;

std::vector<corpus_text> of_part(const std::vector<corpus_text>& texts, corpus_part part, const char* name) {
    std::vector<corpus_text> found;
    for (const corpus_text& text : texts) {
        if (part_of(text) == part && text.ids.size() >= 2) found.push_back(text);
    }
    if (found.empty()) {
        eo::fail(eo::errc::invalid_argument, "--text: expected several texts, of which some fall to the part ", name,
                 "; found ", texts.size(), " texts, none of them does; give more files, or a larger --tokens");
    }
    return found;
}

std::size_t count_tokens(const std::vector<corpus_text>& texts) {
    std::size_t count = 0;
    for (const corpus_text& text : texts) count += text.ids.size();
    return count;
}

class fitting {
public:
    explicit fitting(fit_options& o)
        : o_(o),
          model_(load(o.model.folder, o.weights)),
          threads_(o.threads),
          progress_(!o.json),
          from_(eo::io::open_checkpoint(o.model.folder)) {
        const eo::model_shape& shape = model_.network().shape();
        (void)tokenizer_of(model_, o.model.folder);
        if (o.layers.empty()) {
            for (std::size_t layer = 1; layer < shape.layers; ++layer) o.layers.push_back(layer);
        }
        if (!o.layers.empty() && o.layers.back() == shape.layers) o.layers.pop_back();
        if (o.layers.empty()) {
            eo::fail(eo::errc::invalid_argument, "exit layers: expected some of 1 .. ", shape.layers - 1,
                     ", found none");
        }
        const std::filesystem::path parent = std::filesystem::absolute(out_path()).parent_path();
        if (access(parent.c_str(), W_OK) != 0) {
            eo::fail(eo::errc::io, out_path().string(), ": cannot be written to that folder");
        }
        if (o.paper) {
            o.heads = "own";
            o.head_target = "truth";
            o.gates = {"sec"};
            o.sec_labels = "paper";
            o.sec_bias = o.sec_each = false;
        }
        if (!wants("learn-to-exit") && (o.guarantee > 0.0 || !o.also_formats.empty())) {
            eo::fail(eo::errc::invalid_argument, "--guarantee, --also-dtype: expected learn-to-exit among --gates");
        }
        if (o.head_fit.rank > shape.d_model) {
            eo::fail(eo::errc::invalid_argument, "--rank: expected at most the model's width of ", shape.d_model,
                     ", found ", o.head_fit.rank);
        }
        report_.model = o.model.folder;
        report_.weight_format = model_.network().weight_format();
        report_.loss_target = o.loss;
    }

    fit_report run() {
        const auto texts = calibrate::read_corpus(model_, {o_.texts.begin(), o_.texts.end()}, o_.corpus);
        const auto fit = of_part(texts, corpus_part::fit, "fit");
        const auto validate = of_part(texts, corpus_part::validate, "validate");
        report_.texts = texts.size();
        const auto rule = calibrate::find_label_rule(o_.labels).value();
        const auto sec_rule = calibrate::find_label_rule(o_.sec_labels).value();

        report_.fit = collect(fit, o_.memory * 3 / 4, "fit");
        kept seen = std::move(kept_);
        report_.validate = collect(validate, o_.memory / 4, "validate");
        kept other = std::move(kept_);
        texts_hash_ = 0;
        for (const corpus_text& text : texts) texts_hash_ ^= text.hash;
        if (o_.heads != "shared") fit_heads(seen, other);

        const std::vector<float> grid = error_grid();
        progress_("fitting gates");
        if (wants("sec")) fit_sec(seen, other, sec_rule);
        if (wants("learn-to-exit")) {
            report_.gates = calibrate::fit_learn_to_exit(seen, rule);
            check_cancel();
            calibrate::calibrate_gates(report_.gates, other, rule);
            check_cancel();
            for (const float threshold : grid) {
                report_.forced.push_back(calibrate::walk(report_.gates, other, threshold));
            }
        }
        if (wants("jei-dnn")) report_.jei_gates = calibrate::fit_jei_dnn(seen, o_.jei_lambda);
        check_cancel();
        seen = kept();
        other = kept();

        model_.set_exits(make_exits());
        const auto samples = calibrate::cut_samples(validate, o_.samples);
        if (samples.empty()) {
            eo::fail(eo::errc::invalid_argument, "--text: expected texts of at least ", o_.samples.new_tokens + 2,
                     " tokens, found none in the part validate");
        }
        report_.samples = samples.size();
        if (wants("learn-to-exit")) choose(samples, grid);
        if (wants("sec")) {
            // The paper's thresholds; those below .5 are 0.
            choose_from("sec", {0.99f, 0.95f, 0.9f, 0.8f, 0.7f, 0.6f, 0.5f}, samples, report_.sec_tried,
                        report_.sec_chosen);
        }
        if (wants("jei-dnn")) {
            choose_from("jei-dnn", {0.9f, 0.8f, 0.7f, 0.6f, 0.5f, 0.4f, 0.3f}, samples, report_.jei_tried,
                        report_.jei_chosen);
        }
        also_formats(samples);
        if (o_.guarantee > 0.0) guarantee(of_part(texts, corpus_part::guarantee, "guarantee"), grid);
        report_.formats_fitted = formats_;
        write();
        progress_.clear();
        return std::move(report_);
    }

private:
    using kept = calibrate::kept_observations;

    void check_cancel() const {
        if (interrupted_.token().stop_requested()) throw interrupted_error{};
    }

    [[nodiscard]] bool wants(const char* gate) const { return std::ranges::find(o_.gates, gate) != o_.gates.end(); }

    /// Fits them and lets every exit answer again: gates are fitted to what they will see.
    void fit_heads(kept& seen, kept& other) {
        heads_report& report = report_.heads.emplace();
        report.kind = o_.heads;
        report.before.add(other);
        o_.head_fit.target =
            o_.head_target == "truth" ? calibrate::head_target::truth : calibrate::head_target::full_depth;
        const auto start = std::chrono::steady_clock::now();
        const auto passed = [&] {
            return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        };
        auto fitted = calibrate::fit_heads(
            model_.network(), seen, o_.heads == "own" ? calibrate::head_kind::own : calibrate::head_kind::adapter,
            o_.head_fit, threads_, interrupted_.token(),
            [&](std::size_t done, std::size_t all) { progress_(bar("fitting heads", done, all, passed())); });
        if (!fitted) throw interrupted_error{};
        report.fitted = std::move(*fitted);
        report.seconds = passed();
        model_.set_exits(make_exits());
        head_ = make_head(model_, o_.heads);
        const std::size_t all = (seen.size() + other.size()) * (seen.exit_count() - 1);
        const auto again_start = std::chrono::steady_clock::now();
        std::size_t before = 0;
        for (kept* part : {&seen, &other}) {
            const bool whole = calibrate::answer_again(
                *part, model_.network(), head_, threads_, interrupted_.token(), [&](std::size_t done) {
                    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - again_start;
                    progress_(bar("exits answer again", before + done, all, since.count()));
                });
            if (!whole) throw interrupted_error{};
            before += part->size() * (part->exit_count() - 1);
        }
        report.after.add(other);
        progress_.clear();
    }

    void fit_sec(const kept& seen, const kept& other, calibrate::label_rule rule) {
        if (o_.sec_each) {
            report_.sec = calibrate::fit_sec_gates(seen, rule, {.bias = o_.sec_bias});
        } else {
            report_.sec = {calibrate::fit_sec_gate(seen, rule, {.bias = o_.sec_bias})};
        }
        check_cancel();
        for (std::size_t e = 0; e < other.exit_count(); ++e) {
            const eo::sec_gate gate(report_.sec[o_.sec_each ? e : 0].view());
            sec_honesty& at = report_.sec_exits.emplace_back();
            at.layer = other.layer(e);
            for (std::size_t i = 0; i < other.size(); ++i) {
                const auto p = gate.probabilities(other.hidden(e, i));
                const calibrate::gate_label label = calibrate::label_of(other, e, i, rule);
                at.exit.add(static_cast<double>(p[1]), label == calibrate::gate_label::exit);
                at.stop.add(static_cast<double>(p[0]), label == calibrate::gate_label::stop);
            }
        }
        check_cancel();
    }

    /// Predicted errors from safe to bold; 1 leaves everything to the check.
    static std::vector<float> error_grid() { return {0.02f, 0.05f, 0.1f, 0.2f, 0.3f, 0.4f, 0.6f, 1.0f}; }

    /// Exit layers to try: a check that fails costs as much as several layers of a small model, so few may do better.
    [[nodiscard]] std::vector<std::vector<std::size_t>> layer_sets() const {
        const std::size_t depth = model_.network().shape().layers;
        std::vector<std::vector<std::size_t>> sets{o_.layers};
        const auto nearest = [&](std::size_t wanted) {
            return *std::ranges::min_element(
                o_.layers, {}, [&](std::size_t layer) { return layer > wanted ? layer - wanted : wanted - layer; });
        };
        const std::size_t early = nearest(std::max<std::size_t>(1, depth / 4));
        const std::size_t middle = nearest(std::max<std::size_t>(1, depth * 5 / 8));
        if (middle != early && o_.layers.size() > 2) sets.push_back({early, middle});
        if (o_.layers.size() > 1) sets.push_back({early});
        return sets;
    }

    collected_part collect(const std::vector<corpus_text>& texts, std::size_t megabytes, const char* name) {
        const eo::model_shape& shape = model_.network().shape();
        collected_part part;
        part.tokens = count_tokens(texts);
        part.texts = texts.size();
        const std::size_t exits = o_.layers.size() + 1;
        kept_ = kept(kept::keep_every_within(megabytes << 20, part.tokens, exits, shape.d_model));
        calibrate::collector collector(model_.network(), o_.layers, std::min<std::size_t>(512, shape.context),
                                       threads_);
        const auto start = std::chrono::steady_clock::now();
        const bool whole = collector.run(
            texts,
            [&](const calibrate::window_observation& window) {
                part.exits.add(window);
                kept_.add(window);
            },
            interrupted_.token(),
            [&](std::size_t done) {
                const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
                progress_(bar(std::string("reading the part ") + name, done, part.tokens, passed.count()));
            });
        if (!whole) throw interrupted_error{};
        part.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        part.kept = kept_.size();
        part.kept_bytes = kept_.size() * kept::bytes_of_token(exits, shape.d_model);
        progress_.clear();
        return part;
    }

    eo::exit_weights make_exits() const {
        const eo::model_shape& shape = model_.network().shape();
        eo::exit_weights exits(out_path().string());
        exits.set_model({shape.layers, shape.d_model, shape.vocab, from_->fingerprint(), formats_});
        std::vector<std::size_t> layers = o_.layers;
        exits.set_layers(std::move(layers));
        const auto set_map = [&](const std::string& name, const calibrate::fitted_linear& map) {
            exits.set(name + ".weight", {map.outputs, map.inputs}, map.weight);
            if (!map.bias.empty()) exits.set(name + ".bias", {map.outputs}, map.bias);
        };
        if (report_.heads) {
            for (const calibrate::fitted_head& head : report_.heads->fitted) head.store(exits);
        }
        for (std::size_t e = 0; e < report_.sec.size(); ++e) {
            const std::size_t layer = e < o_.layers.size() ? o_.layers[e] : shape.layers;
            set_map(o_.sec_each ? "gate." + std::to_string(layer) : "gate", report_.sec[e]);
        }
        for (const auto& gate : report_.gates) set_map("learn_to_exit." + std::to_string(gate.layer), gate.map);
        for (const auto& gate : report_.jei_gates) set_map("jei_dnn." + std::to_string(gate.layer), gate.map);
        if (!report_.gates.empty()) {
            const std::vector<std::size_t>& chosen = report_.chosen.layers;
            exits.set("learn_to_exit.layers", {chosen.size()}, {chosen.begin(), chosen.end()});
            exits.set("thresholds.learn_to_exit", {1}, {report_.chosen.threshold});
            exits.set("thresholds.check_margin", {1}, {report_.chosen.check_margin});
        }
        if (!report_.sec.empty()) {
            exits.set("thresholds.exit", {1}, {report_.sec_chosen.threshold});
            exits.set("thresholds.stop", {1}, {1.0f});
        }
        if (!report_.jei_gates.empty()) exits.set("thresholds.jei_dnn", {1}, {report_.jei_chosen.threshold});
        exits.set_metadata("labels", o_.labels).set_metadata("sec_labels", o_.sec_labels);
        exits.set_metadata("settings", settings().dump());
        exits.set_metadata("metrics", summary(report_).dump());
        return exits;
    }

    /// What would give the same exits again, beside the texts, which are told by their contents.
    [[nodiscard]] json settings() const {
        std::ostringstream hash;
        hash << std::hex << std::setw(16) << std::setfill('0') << texts_hash_;
        json all{{"corpus", hash.str()},
                 {"suffixes", o_.corpus.suffixes},
                 {"tokens", o_.corpus.most_tokens},
                 {"tokens_per_file", o_.corpus.most_tokens_of_one},
                 {"memory", o_.memory},
                 {"heads", o_.heads},
                 {"gates", o_.gates},
                 {"sec_bias", o_.sec_bias},
                 {"sec_each", o_.sec_each},
                 {"jei_lambda", o_.jei_lambda},
                 {"loss", o_.loss},
                 {"check_margins", o_.check_margins},
                 {"samples", o_.samples.count},
                 {"sample_tokens", o_.samples.length},
                 {"max_new_tokens", o_.samples.new_tokens}};
        if (o_.heads != "shared") {
            all["head_target"] = o_.head_target;
            all["rank"] = o_.head_fit.rank;
            all["epochs"] = o_.head_fit.epochs;
            all["learning_rate"] = o_.head_fit.learning_rate;
            all["seed"] = o_.head_fit.seed;
        }
        return all;
    }

    [[nodiscard]] std::filesystem::path out_path() const {
        return o_.out.empty() ? eo::io::sidecar_path(o_.model.folder) : std::filesystem::path(o_.out);
    }

    measured_threshold measure(const model& m, const std::vector<calibrate::sample>& samples,
                               const exit_options& config) {
        const run_options run;
        const auto full = make_session(m, exit_options{}, run);
        const auto early = &m == &model_ ? make_session(m, config, run, head_) : make_session(m, config, run);
        const auto text_of = [&](std::span<const eo::token_id> ids) { return m.tokenizer().decode(ids); };
        eo::generate_options generate;
        generate.cancel = interrupted_.token();
        const auto done = calibrate::evaluate_pair(
            samples,
            [&](std::span<const eo::token_id> p, const eo::generate_options& g) { return early->complete(p, g); },
            [&](std::span<const eo::token_id> p, const eo::generate_options& g) { return full->complete(p, g); },
            text_of, generate);
        check_cancel();
        return {.layers = exit_layers(m, config),
                .threshold = config.threshold.value_or(0.0f),
                .check_margin = config.check_margin.value_or(0.0f),
                .layers_skipped = done.early.layers_skipped(),
                .loss = done.rouge_l_loss(),
                .agreement = done.agreement(),
                .speedup = done.decode_speedup()};
    }

    /// For every set of layers and every check, thresholds up to where the loss first exceeds its target; of all
    /// those the fastest.
    void choose(const std::vector<calibrate::sample>& samples, const std::vector<float>& grid) {
        exit_options config;
        config.gate = "learn-to-exit";
        report_.chosen.threshold = -1.0f;  // full depth
        report_.chosen.layers = o_.layers;
        for (const std::vector<std::size_t>& layers : layer_sets()) {
            config.layers = layers;
            for (const float margin : o_.check_margins) {
                config.check_margin = margin;
                for (const float threshold : grid) {
                    if (margin <= 0.0f && threshold >= 1.0f) continue;
                    config.threshold = threshold;
                    progress_("completing " + std::to_string(samples.size()) + " prompts: " + name_of(config));
                    report_.tried.push_back(measure(model_, samples, config));
                    const measured_threshold& found = report_.tried.back();
                    if (found.loss > o_.loss) break;
                    if (found.speedup > report_.chosen.speedup) report_.chosen = found;
                }
            }
        }
    }

    /// The boldest threshold before the loss first exceeds its target.
    void choose_from(const char* gate, std::initializer_list<float> grid, const std::vector<calibrate::sample>& samples,
                     std::vector<measured_threshold>& tried, measured_threshold& chosen) {
        exit_options config;
        config.gate = gate;
        if (config.gate == "sec") config.stop_threshold = 1.0f;
        chosen.threshold = config.gate == "sec" ? 1.0f : 1.01f;  // full depth
        for (const float threshold : grid) {
            config.threshold = threshold;
            progress_("completing " + std::to_string(samples.size()) + " prompts: " + name_of(config));
            tried.push_back(measure(model_, samples, config));
            if (tried.back().loss > o_.loss) break;
            chosen = tried.back();
        }
    }

    /// Of the thresholds that kept the target, the fastest that keeps it in the other weight formats too; where none of
    /// the first few does, the fastest, for the formats in which it holds.
    void also_formats(const std::vector<calibrate::sample>& samples) {
        formats_ = eo::io::computed_format(*from_, model_.network().weight_format());
        std::vector<std::pair<std::string, model>> others;
        for (const std::string& name : o_.also_formats) {
            weight_options weights = o_.weights;
            weights.dtype = name;
            model other = load(o_.model.folder, weights);
            const std::string format = eo::io::computed_format(*from_, other.network().weight_format());
            if (format == formats_) continue;
            other.set_exits(make_exits());
            others.emplace_back(format, std::move(other));
        }
        constexpr std::size_t most_tries = 12;
        std::vector<measured_threshold> candidates{report_.chosen};
        for (const measured_threshold& row : report_.tried) {
            if (row.loss <= o_.loss && row.speedup > 1.0) candidates.push_back(row);
        }
        std::ranges::stable_sort(candidates, std::greater{}, &measured_threshold::speedup);
        if (others.empty()) return;
        candidates.resize(std::min(candidates.size(), most_tries));
        std::size_t most_held = 0;
        for (std::size_t c = 0; c < candidates.size(); ++c) {
            std::vector<checked_format> checked;
            for (const auto& [name, other] : others) {
                progress_("checking thresholds with weights in " + name);
                exit_options config;
                config.gate = "learn-to-exit";
                config.layers = candidates[c].layers;
                config.threshold = candidates[c].threshold;
                config.check_margin = candidates[c].check_margin;
                const measured_threshold found = measure(other, samples, config);
                checked.push_back({name, found, found.loss <= o_.loss});
            }
            const auto held = static_cast<std::size_t>(std::ranges::count(checked, true, &checked_format::holds));
            if (c != 0 && held <= most_held) continue;
            most_held = held;
            report_.formats = checked;
            report_.chosen = candidates[c];
            if (held == others.size()) break;
        }
        for (const checked_format& format : report_.formats) {
            if (format.holds) formats_ += ", " + format.name;
        }
    }

    /// Replaces the chosen threshold by the boldest for which a test on texts that nothing has seen rejects that the
    /// risk exceeds --guarantee. One prompt of each text; layers, check and the order of thresholds are fixed before.
    void guarantee(const std::vector<corpus_text>& texts, const std::vector<float>& grid) {
        calibrate::sample_options one_each = o_.samples;
        one_each.count = texts.size();
        std::vector<corpus_text> starts = texts;
        for (corpus_text& text : starts) text.ids.resize(std::min(text.ids.size(), one_each.length));
        const auto samples = calibrate::cut_samples(starts, one_each);
        guarantee_report& g = report_.guarantee.emplace();
        g.eps = o_.guarantee;
        g.delta = o_.delta;
        g.samples = samples.size();
        g.needed = calibrate::samples_needed(g.eps, g.delta);
        exit_options config;
        config.gate = "learn-to-exit";
        config.layers = report_.chosen.layers;
        config.check_margin = report_.chosen.check_margin;
        std::vector<calibrate::sample_losses> losses;
        for (const float threshold : grid) {
            if (threshold > report_.chosen.threshold) break;  // bolder ones lost too much already
            config.threshold = threshold;
            progress_("guarantee: " + name_of(config));
            losses.push_back(losses_of(samples, config));
            g.thresholds.push_back(threshold);
        }
        g.result = calibrate::learn_then_test(losses, g.eps, g.delta);
        report_.chosen.threshold = g.result.chosen ? g.thresholds[*g.result.chosen] : -1.0f;
    }

    /// What each completion loses of its ROUGE-L against full depth's; a gain is no loss.
    calibrate::sample_losses losses_of(const std::vector<calibrate::sample>& samples, const exit_options& config) {
        const run_options run;
        const auto full = make_session(model_, exit_options{}, run);
        const auto early = make_session(model_, config, run, head_);
        calibrate::sample_losses losses;
        for (const calibrate::sample& s : samples) {
            check_cancel();
            const eo::generate_options options{.max_new_tokens = s.reference.size()};
            const auto score = [&](any_session& session) {
                return calibrate::rouge_l(session.complete(s.prompt, options).ids, s.reference);
            };
            losses.push_back(std::max(0.0, score(*full) - score(*early)));
        }
        return losses;
    }

    void write() {
        report_.out = out_path().string();
        eo::io::write_exits(out_path(), make_exits());
    }

    fit_options& o_;
    interrupt interrupted_;
    model model_;
    eo::thread_pool threads_;
    progress_line progress_;
    std::unique_ptr<eo::io::stored_checkpoint> from_;
    std::string formats_ = "f32";
    kept kept_;
    eo::any_head head_;
    std::uint64_t texts_hash_ = 0;
    fit_report report_;
};

}  // namespace

fit_report fit_exits(fit_options& options) { return fitting(options).run(); }

}  // namespace cli
