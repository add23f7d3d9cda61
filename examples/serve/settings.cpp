// SPDX-License-Identifier: MIT
#include "settings.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "api_error.hpp"
#include "samplers.hpp"

namespace serve {

namespace {

constexpr std::int64_t max_choices = 16;
constexpr std::int64_t max_probs = 100;

/// The first of several names of one setting that is there.
std::optional<std::int64_t> first_integer(const fields& given, std::initializer_list<const char*> names) {
    for (const char* const name : names) {
        if (const auto found = given.integer(name)) return found;
    }
    return std::nullopt;
}

std::int64_t read_length(const fields& given, api kind) {
    const auto found = first_integer(given, {"n_predict", "max_completion_tokens", "max_tokens"});
    // OpenAI documents 16 for completions of texts.
    return std::max<std::int64_t>(-1, found.value_or(kind == api::openai_completions ? 16 : -1));
}

void read_probabilities(const fields& given, api kind, settings& made) {
    if (kind == api::openai_chat) {
        made.show_probabilities = given.flag("logprobs").value_or(false);
        made.n_probs = static_cast<std::size_t>(given.integer("top_logprobs", 0, max_probs).value_or(0));
        if (made.n_probs != 0 && !made.show_probabilities) {
            throw wrong_field("top_logprobs", "absent or 0 without logprobs", std::to_string(made.n_probs));
        }
        return;
    }
    if (kind == api::openai_completions) {
        const auto shown = given.integer("logprobs", 0, max_probs);
        made.show_probabilities = shown.has_value();
        made.n_probs = static_cast<std::size_t>(shown.value_or(0));
    }
    if (const auto n = given.integer("n_probs", 0, max_probs); n && *n != 0) {
        made.n_probs = static_cast<std::size_t>(*n);
        made.show_probabilities = true;
    }
}

void read_stops(const fields& given, settings& made) {
    constexpr std::size_t max_stops = 64, max_stop = 4096;
    made.options.stop_strings = given.texts("stop").value_or(std::vector<std::string>());
    std::erase(made.options.stop_strings, std::string());  // as llama.cpp
    if (made.options.stop_strings.size() > max_stops) {
        throw wrong_field("stop", "at most 64 strings", std::to_string(made.options.stop_strings.size()));
    }
    for (const std::string& stop : made.options.stop_strings) {
        if (stop.size() > max_stop) {
            throw wrong_field("stop", "at most 4096 bytes in a string", std::to_string(stop.size()));
        }
    }
}

}  // namespace

settings read_settings(const fields& given, api kind, const loaded_model& model) {
    refuse_unsupported(given, kind);
    settings made;
    made.n_predict = read_length(given, kind);
    read_sampling(given, model, made.options, made.samplers);
    read_stops(given, made);
    read_probabilities(given, kind, made);
    made.logit_bias = read_logit_bias(given, model);
    made.ignore_eos = given.flag("ignore_eos").value_or(false);
    if (made.ignore_eos) {
        for (std::size_t i = 0; i < model.infill.ends.size(); ++i) {
            if (model.infill.ends[i] == 0) continue;
            made.logit_bias.push_back({static_cast<eo::token_id>(i), -std::numeric_limits<float>::infinity()});
        }
    }
    made.stream = given.flag("stream").value_or(false);
    if (const json* const options = given.find("stream_options")) {
        if (!options->is_object()) throw wrong_field("stream_options", "an object", described(*options));
        made.include_usage = fields(*options).flag("include_usage").value_or(false);
    }
    made.return_tokens = given.flag("return_tokens").value_or(false);
    made.cache_prompt = given.flag("cache_prompt").value_or(true);
    if (const auto slot = given.integer("id_slot", -1); slot && *slot >= 0) made.slot = *slot;
    (void)given.integer("n_keep");  // nothing is ever dropped from a full context
    const auto choices = first_integer(given, {"n_cmpl", "n"}).value_or(1);
    if (choices < 1 || choices > max_choices) {
        throw wrong_field(given.find("n_cmpl") != nullptr ? "n_cmpl" : "n", "an integer from 1 to 16",
                          std::to_string(choices));
    }
    made.choices = static_cast<std::size_t>(choices);
    made.n_indent = static_cast<std::size_t>(given.integer("n_indent", 0, 1'000'000).value_or(0));
    // Negative: no limit, which is what llama.cpp's default -1 means.
    made.max_predict_seconds = std::max(0.0, given.number("t_max_predict_ms", -1e12, 1e12).value_or(0.0) / 1000.0);
    made.max_prompt_seconds = std::max(0.0, given.number("t_max_prompt_ms", -1e12, 1e12).value_or(0.0) / 1000.0);
    // Editors send a limit of 1 ms with warm-ups, whose only purpose is the whole prompt.
    if (made.n_predict == 0) made.max_prompt_seconds = 0.0;
    made.policy = given.text("exit_policy").value_or("");
    made.drafts = given.text("draft").value_or("");
    made.model = given.text("model").value_or("");
    made.response_fields = given.texts("response_fields");
    if (made.response_fields && made.response_fields->empty()) made.response_fields.reset();  // as llama.cpp: all
    return made;
}

json to_json(const settings& wanted, std::size_t context) {
    const eo::generate_options& o = wanted.options;
    json made{{"n_predict", wanted.n_predict},
              {"max_tokens", wanted.n_predict},
              {"seed", o.seed},
              {"temperature", o.temperature},
              {"top_k", o.top_k},
              {"top_p", o.top_p},
              {"min_p", o.min_p},
              {"repeat_penalty", o.repetition_penalty},
              {"stop", o.stop_strings},
              {"samplers", wanted.samplers},
              {"stream", wanted.stream},
              {"n_probs", wanted.n_probs},
              {"ignore_eos", wanted.ignore_eos},
              {"n_indent", wanted.n_indent},
              {"n_ctx", context}};
    json biases = json::array();
    for (const candidate& one : wanted.logit_bias) {
        biases.push_back({{"token", one.id}, {"bias", one.log_probability}});  // -infinity becomes null, as llama.cpp's
    }
    made["logit_bias"] = std::move(biases);
    // Filters that are always off.
    made.update({{"typical_p", 1.0},
                 {"top_n_sigma", -1.0},
                 {"xtc_probability", 0.0},
                 {"dry_multiplier", 0.0},
                 {"dynatemp_range", 0.0},
                 {"adaptive_target", -1.0},
                 {"adaptive_decay", 0.0},
                 {"presence_penalty", 0.0},
                 {"frequency_penalty", 0.0},
                 {"mirostat", 0}});
    made["exit_policy"] = wanted.policy;
    made["draft"] = wanted.drafts;
    return made;
}

}  // namespace serve
