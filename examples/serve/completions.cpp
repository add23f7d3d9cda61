// SPDX-License-Identifier: MIT
// POST /completion, /v1/completions and /v1/chat/completions.
#include <algorithm>
#include <utility>

#include "api_error.hpp"
#include "chat_template.hpp"
#include "infill.hpp"
#include "prompt_ids.hpp"
#include "requests.hpp"

namespace serve {

namespace {

const json& prompt_of(const fields& given) {
    const json* const found = given.find("prompt");
    if (found == nullptr) throw wrong_field("prompt", "a text, ids of tokens or an array of these", "none");
    return *found;
}

/// Omits the start of a prompt that costs more than n tokens; what precedes every text stays.
token_ids shortened(const loaded_model& model, token_ids prompt, std::size_t n, const prompt_costs& costs,
                    omitted_tokens& omitted) {
    const auto before = model.words().tokens_before();
    const bool begins = prompt.size() > before.size() && std::equal(before.begin(), before.end(), prompt.begin());
    const std::size_t kept = begins ? before.size() : 0;
    if (prompt.size() - std::min(prompt.size(), costs.reusable(prompt)) > n && prompt.size() > kept + 1) {
        omitted.prefix = prompt.size() - std::min(prompt.size(), std::max(n, kept + 1));
        const auto first = prompt.begin() + static_cast<std::ptrdiff_t>(kept);
        prompt.erase(first, first + static_cast<std::ptrdiff_t>(omitted.prefix));
    }
    return prompt;
}

planned plan_prompt(const settings& wanted, token_ids prompt) {
    planned made;
    made.filter = text_filter(wanted.n_indent, "", "");
    if (wanted.max_prompt_seconds > 0.0) {
        made.shorten = [prompt, seconds = wanted.max_prompt_seconds](const loaded_model& of, const prompt_costs& costs,
                                                                     omitted_tokens& omitted) {
            return shortened(of, prompt, affordable_tokens(costs, seconds), costs, omitted);
        };
    }
    made.prompt = std::move(prompt);
    return made;
}

std::vector<planned> plan_prompts(const loaded_model& model, const settings& wanted, const json& given,
                                  bool& are_many) {
    std::vector<planned> made;
    for (token_ids& ids : prompts_of(model.words(), given, are_many)) {
        made.push_back(plan_prompt(wanted, std::move(ids)));
    }
    return made;
}

/// The missing middle of OpenAI's `prompt` and `suffix`: both are a user's text.
planned plan_suffix(const loaded_model& model, const settings& wanted, const json& prompt, const std::string& suffix) {
    require_middle(model, "suffix");
    if (!prompt.is_string()) throw wrong_field("prompt", "a string beside a suffix", described(prompt));
    const std::string& before = prompt.get_ref<const std::string&>();
    const std::size_t line = before.rfind('\n') + 1;  // npos + 1 is 0
    const std::string_view typed = std::string_view(before).substr(line);
    infill_texts texts;
    if (model.order == fim_order::after_middle) {
        texts.prefix = encode(model.words(), std::string_view(before).substr(0, line), text_kind::plain);
        texts.typed = encode(model.words(), typed, text_kind::plain_after);
    } else {
        texts.prefix = encode(model.words(), before, text_kind::plain);
    }
    texts.suffix = encode(model.words(), suffix, text_kind::plain_after);
    return plan_middle(model, wanted, std::move(texts), typed, suffix);
}

}  // namespace

void answer_completion(const exchange& with, const model_pointer& model) {
    const json body = parse_object(with.asked.body);
    const fields given(body);
    const settings wanted = read_settings(given, api::llama_cpp, *model);
    bool are_many = false;
    std::vector<planned> plans = plan_prompts(*model, wanted, prompt_of(given), are_many);
    submit_all(model, prepare_all(with, model, wanted, native_format(model, wanted, are_many), std::move(plans)));
}

void answer_text_completion(const exchange& with, const model_pointer& model) {
    const json body = parse_object(with.asked.body);
    const fields given(body);
    const settings wanted = read_settings(given, api::openai_completions, *model);
    std::vector<planned> plans;
    if (const auto suffix = given.text("suffix"); suffix && !suffix->empty()) {
        plans.push_back(plan_suffix(*model, wanted, prompt_of(given), *suffix));
    } else {
        bool are_many = false;
        plans = plan_prompts(*model, wanted, prompt_of(given), are_many);
    }
    submit_all(model, prepare_all(with, model, wanted, openai_text_format(model, wanted), std::move(plans)));
}

void answer_chat(const exchange& with, const model_pointer& model) {
    const json body = parse_object(with.asked.body);
    const fields given(body);
    const settings wanted = read_settings(given, api::openai_chat, *model);
    chat_prompt prompt = render_chat(*model, read_messages(given));
    std::vector<planned> plans(1);
    plans[0].prompt = std::move(prompt.ids);
    plans[0].more_end_of_text = std::move(prompt.ends);
    plans[0].filter = text_filter(wanted.n_indent, "", "");
    submit_all(model, prepare_all(with, model, wanted, openai_chat_format(model, wanted), std::move(plans)));
}

}  // namespace serve
