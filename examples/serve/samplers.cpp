// SPDX-License-Identifier: MIT
#include "samplers.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "api_error.hpp"
#include "prompt_ids.hpp"

namespace serve {

namespace {

struct sampler_name {
    std::string_view name;
    char letter;
    std::optional<eo::sample_filter> filter;  ///< none: its setting can only be neutral, so it does nothing
};

// llama.cpp's names, other spellings of them, and its letters.
const sampler_name sampler_names[] = {{"penalties", 'e', eo::sample_filter::penalties},
                                      {"temperature", 't', eo::sample_filter::temperature},
                                      {"temp", '\0', eo::sample_filter::temperature},
                                      {"top_k", 'k', eo::sample_filter::top_k},
                                      {"top-k", '\0', eo::sample_filter::top_k},
                                      {"top_p", 'p', eo::sample_filter::top_p},
                                      {"top-p", '\0', eo::sample_filter::top_p},
                                      {"min_p", 'm', eo::sample_filter::min_p},
                                      {"min-p", '\0', eo::sample_filter::min_p},
                                      {"infill", 'i', eo::sample_filter::infill},
                                      {"dry", 'd', std::nullopt},
                                      {"typ_p", 'y', std::nullopt},
                                      {"typical_p", '\0', std::nullopt},
                                      {"top_n_sigma", 's', std::nullopt},
                                      {"xtc", 'x', std::nullopt},
                                      {"adaptive_p", 'a', std::nullopt}};

constexpr const char* expected_samplers =
    "penalties, temperature, top_k, top_p, min_p, infill, or one whose setting changes nothing (dry, typ_p, "
    "top_n_sigma, xtc, adaptive_p)";

const sampler_name& sampler_of(std::string_view name) {
    for (const sampler_name& one : sampler_names) {
        if (one.name == name || (name.size() == 1 && one.letter == name[0])) return one;
    }
    throw wrong_field("samplers", expected_samplers, "'" + std::string(name.substr(0, 40)) + "'");
}

/// As llama.cpp takes them: names in an array, or a letter each in a string.
std::vector<std::string> sampler_list(const fields& given) {
    const json* const found = given.find("samplers");
    if (found == nullptr) return {"penalties", "top_k", "top_p", "min_p", "temperature"};
    if (!found->is_string()) return *given.texts("samplers");
    std::vector<std::string> made;
    for (const char letter : found->get_ref<const std::string&>()) made.emplace_back(1, letter);
    if (made.size() > 32) throw wrong_field("samplers", "at most 32 letters", std::to_string(made.size()));
    return made;
}

void read_penalty(const fields& given, std::size_t context, eo::generate_options& options) {
    options.repetition_penalty = static_cast<float>(given.number("repeat_penalty", 1e-6, 1e6).value_or(1.0));
    const auto last = given.integer("repeat_last_n");
    if (options.repetition_penalty == 1.0f || !last || *last == -1) return;
    if (*last == 0) {
        options.repetition_penalty = 1.0f;
    } else if (*last < 0 || static_cast<std::size_t>(*last) < context) {
        throw not_supported("repeat_last_n",
                            "expected absent, 0 or -1 beside a repeat_penalty, which counts all "
                            "tokens of the context, found " +
                                std::to_string(*last));
    }
}

std::optional<std::int64_t> as_id(std::string_view text) {
    std::int64_t id = 0;
    const auto [next, problem] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (problem != std::errc{} || next != text.data() + text.size()) return std::nullopt;
    return id;
}

float bias_of(const json& value) {
    if (value == false) return -std::numeric_limits<float>::infinity();
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    if (!(std::abs(number) <= 1e9)) throw wrong_field("logit_bias", "a number or false as a bias", described(value));
    return static_cast<float>(number);
}

}  // namespace

void read_sampling(const fields& given, const loaded_model& model, eo::generate_options& options,
                   std::vector<std::string>& samplers) {
    options.temperature = static_cast<float>(given.number("temperature", 0.0, 1e6).value_or(0.8));
    const std::int64_t top_k = given.integer("top_k").value_or(40);
    options.top_k = top_k <= 0 ? 0 : static_cast<std::size_t>(top_k);
    options.top_p = static_cast<float>(given.number("top_p", 0.0, 1.0).value_or(0.95));
    options.min_p = static_cast<float>(given.number("min_p", 0.0, 1.0).value_or(0.05));
    read_penalty(given, model.facts.context, options);
    const std::int64_t seed = given.integer("seed", -1).value_or(-1);
    options.seed = seed < 0 ? 0 : static_cast<std::uint64_t>(seed);

    samplers.clear();
    for (const std::string& name : sampler_list(given)) {
        const sampler_name& one = sampler_of(name);
        samplers.emplace_back(one.name);
        if (one.filter) options.filters.push_back(*one.filter);
    }
    if (options.filters.size() > 32) {
        throw wrong_field("samplers", "at most 32 samplers", std::to_string(options.filters.size()));
    }
    options.infill = &model.infill;
    if (options.filters.empty()) {
        // No filter at all: a draw from the model's own distribution.
        options.temperature = 1.0f;
        options.top_k = 0;
        options.top_p = 1.0f;
        options.min_p = 0.0f;
        options.repetition_penalty = 1.0f;
    }
}

std::vector<candidate> read_logit_bias(const fields& given, const loaded_model& model) {
    std::vector<candidate> made;
    const json* const found = given.find("logit_bias");
    if (found == nullptr) return made;
    const auto add_id = [&](std::int64_t id, float bias) {
        if (id < 0 || static_cast<std::uint64_t>(id) >= model.facts.vocab) {
            throw wrong_field("logit_bias", "ids of tokens, 0 .. " + std::to_string(model.facts.vocab - 1),
                              std::to_string(id));
        }
        made.push_back({static_cast<eo::token_id>(id), bias});
    };
    const auto add_text = [&](const std::string& text, float bias) {
        for (const eo::token_id id : encode(model.words(), text, text_kind::typed)) add_id(id, bias);
    };
    if (found->is_object()) {
        for (const auto& [name, value] : found->items()) {
            const float bias = bias_of(value);
            if (const auto id = as_id(name)) {
                add_id(*id, bias);
            } else {
                add_text(name, bias);
            }
        }
        return made;
    }
    const char* const expected = "an object of biases, or an array of [id or text, bias]";
    if (!found->is_array()) throw wrong_field("logit_bias", expected, described(*found));
    for (const json& pair : *found) {
        if (!pair.is_array() || pair.size() != 2) throw wrong_field("logit_bias", expected, described(pair));
        const float bias = bias_of(pair[1]);
        if (pair[0].is_number_integer()) {
            add_id(pair[0].get<std::int64_t>(), bias);
        } else if (pair[0].is_string()) {
            add_text(pair[0].get<std::string>(), bias);
        } else {
            throw wrong_field("logit_bias", expected, described(pair[0]));
        }
    }
    return made;
}

}  // namespace serve
