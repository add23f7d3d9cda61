// SPDX-License-Identifier: MIT
#include "refused_fields.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "api_error.hpp"

namespace serve {

namespace {

/// Values of a field that change nothing.
enum class neutral { zero, one, not_positive, negative, off, empty, none, text_format, no_tool };

struct refused {
    std::string_view name;
    neutral value;
};

// With temperature 0, min_p 0 or the like, the settings of a sampler that is off have no effect: such fields, as
// xtc_threshold or mirostat_tau, are not listed and may have any value.
constexpr refused everywhere[] = {{"typical_p", neutral::one},
                                  {"tfs_z", neutral::one},
                                  {"top_n_sigma", neutral::not_positive},
                                  {"xtc_probability", neutral::zero},
                                  {"dry_multiplier", neutral::zero},
                                  {"dynatemp_range", neutral::zero},
                                  {"adaptive_target", neutral::negative},
                                  {"frequency_penalty", neutral::zero},
                                  {"presence_penalty", neutral::zero},
                                  {"mirostat", neutral::zero},
                                  {"min_keep", neutral::zero},
                                  {"n_discard", neutral::zero},
                                  {"post_sampling_probs", neutral::off},
                                  {"timings_per_token", neutral::off},
                                  {"return_progress", neutral::off},
                                  {"backend_sampling", neutral::off},
                                  {"grammar", neutral::empty},
                                  {"grammar_lazy", neutral::off},
                                  {"grammar_triggers", neutral::empty},
                                  {"json_schema", neutral::none},
                                  {"response_format", neutral::text_format},
                                  {"lora", neutral::empty},
                                  {"image_data", neutral::empty},
                                  {"multimodal_data", neutral::empty},
                                  {"speculative.n_max", neutral::zero},
                                  {"speculative.n_min", neutral::zero},
                                  {"speculative.p_min", neutral::zero},
                                  {"speculative.type", neutral::empty}};
constexpr refused in_completions[] = {{"best_of", neutral::one}, {"echo", neutral::off}};
constexpr refused in_chat[] = {{"tools", neutral::empty},
                               {"tool_choice", neutral::no_tool},
                               {"functions", neutral::empty},
                               {"function_call", neutral::no_tool},
                               {"audio", neutral::none},
                               {"prediction", neutral::none},
                               {"reasoning_effort", neutral::none},
                               {"verbosity", neutral::none},
                               {"web_search_options", neutral::none},
                               {"chat_template", neutral::none},
                               {"chat_template_kwargs", neutral::empty},
                               {"t_max_prompt_ms", neutral::zero}};

bool changes_nothing(const json& value, neutral how) {
    const auto number = [&](auto&& good) { return value.is_number() && good(value.get<double>()); };
    switch (how) {
        case neutral::zero: return number([](double x) { return x == 0.0; });
        case neutral::one: return number([](double x) { return x == 1.0; });
        case neutral::not_positive: return number([](double x) { return x <= 0.0; });
        case neutral::negative: return number([](double x) { return x < 0.0; });
        case neutral::off: return value == false;
        case neutral::empty:
            return (value.is_string() && value.get_ref<const std::string&>().empty()) ||
                   (value.is_structured() && value.empty());
        case neutral::none: return false;
        case neutral::text_format: return value == json{{"type", "text"}};
        case neutral::no_tool: return value == "none" || value == "auto";
    }
    return false;
}

const char* expected(neutral how) {
    switch (how) {
        case neutral::zero: return "absent or 0";
        case neutral::one: return "absent or 1";
        case neutral::not_positive: return "absent or at most 0";
        case neutral::negative: return "absent or below 0";
        case neutral::off: return "absent or false";
        case neutral::empty: return "absent or empty";
        case neutral::none: return "absent";
        case neutral::text_format: return R"(absent or {"type":"text"})";
        case neutral::no_tool: return R"(absent, "none" or "auto")";
    }
    return "absent";
}

template <std::size_t N>
void refuse(const fields& given, const refused (&all)[N]) {
    for (const refused& one : all) {
        const json* const value = given.find(one.name);
        if (value == nullptr || changes_nothing(*value, one.value)) continue;
        throw not_supported(one.name, std::string("not supported here: expected ") + expected(one.value) + ", found " +
                                          described(*value));
    }
}

}  // namespace

void refuse_unsupported(const fields& given, api kind) {
    refuse(given, everywhere);
    if (kind == api::openai_completions) refuse(given, in_completions);
    if (kind == api::openai_chat) refuse(given, in_chat);
    if (const json* const speculative = given.find("speculative"); speculative != nullptr && !speculative->empty()) {
        throw not_supported("speculative", "not supported here; `draft` takes drafters as text");
    }
    if (const json* const modalities = given.find("modalities");
        modalities != nullptr && *modalities != json::array({"text"})) {
        throw not_supported("modalities", R"(expected absent or ["text"], found )" + described(*modalities));
    }
}

}  // namespace serve
