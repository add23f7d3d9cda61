// SPDX-License-Identifier: MIT
// From a model and a pile of text to fitted exits, calibrated and with their thresholds chosen.
#include "fitting.hpp"
#include "interrupt.hpp"
#include "make_session.hpp"
#include "progress.hpp"
#include "thresholds.hpp"

#include <earlyout/calibrate/answer_again.hpp>
#include <earlyout/calibrate/collect.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/fit_gates.hpp>
#include <earlyout/calibrate/fit_heads.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/io/sidecar.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
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
          model_(load(o.model, o.weights)),
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
        if (!std::filesystem::exists(out_path()) && access(parent.c_str(), W_OK) != 0) {
            eo::fail(eo::errc::io, out_path().string(), ": cannot be written to that folder: ", std::strerror(errno));
        }
        if (o.paper) {
            o.heads = "own";
            o.head_target = "truth";
            o.gates = {"sec"};
            o.sec_labels = "paper";
            o.sec_bias = o.sec_each = false;
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

        progress_("fitting gates");
        if (wants("sec")) fit_sec(seen, other, sec_rule);
        if (wants("learn-to-exit")) {
            report_.gates = calibrate::fit_learn_to_exit(seen, rule);
            check_cancel();
            calibrate::calibrate_gates(report_.gates, other, rule);
            check_cancel();
            for (const float threshold : error_grid()) {
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
        choose_thresholds(samples, texts);
        report_.formats_fitted = formats_;
        write();
        progress_.clear();
        return std::move(report_);
    }

private:
    using kept = calibrate::kept_observations;

    void check_cancel() const {
        if (interrupted_.token().stop_requested()) throw interrupted_error{interrupted_.status()};
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
        if (!fitted) throw interrupted_error{interrupted_.status()};
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
            if (!whole) throw interrupted_error{interrupted_.status()};
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
        report_.sec_honest.before = sec_honesty_of(other, rule);
        if (!o_.paper) report_.sec_honest.temperatures = calibrate::calibrate_sec_gates(report_.sec, other, rule);
        report_.sec_honest.after = sec_honesty_of(other, rule);
        check_cancel();
    }

    [[nodiscard]] std::vector<sec_honesty> sec_honesty_of(const kept& seen, calibrate::label_rule rule) const {
        std::vector<sec_honesty> exits;
        for (std::size_t e = 0; e < seen.exit_count(); ++e) {
            const eo::sec_gate gate(report_.sec[o_.sec_each ? e : 0].view());
            sec_honesty& at = exits.emplace_back();
            at.layer = seen.layer(e);
            for (std::size_t i = 0; i < seen.size(); ++i) {
                const auto p = gate.probabilities(seen.hidden(e, i));
                const calibrate::gate_label label = calibrate::label_of(seen, e, i, rule);
                at.exit.add(static_cast<double>(p[1]), label == calibrate::gate_label::exit);
                at.stop.add(static_cast<double>(p[0]), label == calibrate::gate_label::stop);
            }
        }
        return exits;
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
        if (!whole) throw interrupted_error{interrupted_.status()};
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
        for (const gate_choice& choice : report_.choices) store(exits, choice);
        exits.set_metadata("labels", o_.labels).set_metadata("sec_labels", o_.sec_labels);
        exits.set_metadata("settings", settings().dump());
        exits.set_metadata("metrics", summary(report_).dump());
        return exits;
    }

    static void store(eo::exit_weights& exits, const gate_choice& choice) {
        const measured_threshold& chosen = choice.chosen;
        const bool sec = choice.gate == "sec", jei = choice.gate == "jei-dnn";
        const std::string name = sec ? "sec" : jei ? "jei_dnn" : "learn_to_exit";
        exits.set(name + ".layers", {chosen.layers.size()}, {chosen.layers.begin(), chosen.layers.end()});
        exits.set("thresholds." + (sec ? "exit" : name), {1}, {chosen.threshold});
        if (sec) exits.set("thresholds.stop", {1}, {1.0f});
        if (!sec && !jei) exits.set("thresholds.check_margin", {1}, {chosen.check_margin});
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
                 {"kv", o_.kv},
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

    /// The same model in the other formats asked for, with the exits fitted so far.
    [[nodiscard]] std::vector<std::pair<std::string, model>> in_other_formats() const {
        std::vector<std::pair<std::string, model>> others;
        for (const std::string& name : o_.also_formats) {
            weight_options weights = o_.weights;
            weights.dtype = name;
            model other = load(o_.model, weights);
            const std::string format = eo::io::computed_format(*from_, other.network().weight_format());
            if (format == formats_) continue;
            other.set_exits(make_exits());
            others.emplace_back(format, std::move(other));
        }
        return others;
    }

    void choose_thresholds(const std::vector<calibrate::sample>& samples, const std::vector<corpus_text>& texts) {
        threshold_search search(o_, model_, head_, interrupted_, progress_);
        for (const std::string& gate : o_.gates) report_.choices.push_back(search.choose(gate, samples));
        formats_ = eo::io::computed_format(*from_, model_.network().weight_format());
        const auto others = in_other_formats();
        for (gate_choice& choice : report_.choices) search.check_formats(choice, others, samples);
        if (o_.guarantee > 0.0) {
            const auto unseen = of_part(texts, corpus_part::guarantee, "guarantee");
            for (gate_choice& choice : report_.choices) search.guarantee(choice, unseen);
        }
        for (const auto& [name, other] : others) {
            const bool holds = std::ranges::all_of(report_.choices, [&name = name](const gate_choice& choice) {
                return std::ranges::all_of(
                    choice.formats, [&](const checked_format& format) { return format.name != name || format.holds; });
            });
            if (holds) formats_ += ", " + name;
        }
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
