// SPDX-License-Identifier: MIT
// POST /infill.
#include "infill.hpp"

#include <algorithm>
#include <utility>

#include "api_error.hpp"
#include "requests.hpp"

namespace serve {

namespace {

/// Returns the text that a string, ids or a mixture stand for.
std::string text_of(const loaded_model& model, const json& value) {
    if (value.is_string()) return value.get<std::string>();
    std::string made;
    for (const json& one : value) {
        if (one.is_string()) {
            made += one.get_ref<const std::string&>();
        } else {
            made += model.words().piece(one.get<eo::token_id>());
        }
    }
    return made;
}

const json& required(const fields& given, std::string_view name) {
    const json* const found = given.find(name);
    if (found == nullptr) throw wrong_field(name, "a text", "none");
    return *found;
}

/// Adds chunks of other files. Where the model has a token before each file they have its name, else a line of dashes.
void read_extra(const fields& given, const loaded_model& model, infill_texts& texts) {
    const json* const extra = given.find("input_extra");
    const auto plain = [&](std::string_view text) { return encode(model.words(), text, text_kind::plain_after); };
    const auto append = [](token_ids& to, const token_ids& more) { to.insert(to.end(), more.begin(), more.end()); };
    if (extra == nullptr) return;
    if (!extra->is_array()) throw wrong_field("input_extra", "an array of chunks", described(*extra));
    constexpr std::size_t max_chunks = 256;
    if (extra->size() > max_chunks) {
        throw wrong_field("input_extra", "at most 256 chunks", std::to_string(extra->size()));
    }
    for (const json& chunk : *extra) {
        if (!chunk.is_object()) throw wrong_field("input_extra", "objects with a text", described(chunk));
        const fields members(chunk, "input_extra.");
        const auto text = members.text("text");
        if (!text) throw wrong_field("input_extra", "chunks with a string as text", "none");
        const std::string name = members.text("filename").value_or("tmp");
        token_ids ids;
        if (model.fim.file) {
            ids.push_back(*model.fim.file);
            append(ids, plain(name + "\n"));
        } else {
            ids = plain("\n\n--- snippet ---\n\n");
        }
        append(ids, plain(*text));
        texts.extra.push_back(std::move(ids));
    }
    if (model.fim.repository) {
        texts.repository.push_back(*model.fim.repository);
        append(texts.repository, plain("myproject\n"));
    }
    if (model.fim.file) {
        texts.file.push_back(*model.fim.file);
        append(texts.file, plain("filename\n"));
    }
}

infill_composer composer_of(const loaded_model& model) { return {model.words(), *model.fim.middle, model.order}; }

}  // namespace

std::size_t affordable_tokens(const prompt_costs& costs, double seconds) {
    constexpr double all = 1e9;
    return static_cast<std::size_t>(costs.token_seconds <= 0.0 ? all : std::min(seconds / costs.token_seconds, all));
}

void require_middle(const loaded_model& model, std::string_view field) {
    if (model.fim.middle) return;
    throw not_supported(field,
                        "needs a model with fill-in-the-middle tokens; the vocabulary of " + model.facts.name +
                            " lacks: " + model.fim.lacks,
                        501);
}

planned plan_middle(const loaded_model& model, const settings& wanted, infill_texts texts, std::string_view typed,
                    std::string_view suffix) {
    const infill_composer composer = composer_of(model);
    const std::size_t n_predict =
        wanted.n_predict < 0 ? model.facts.context : static_cast<std::size_t>(wanted.n_predict);
    composer.cut(texts, model.batch(), model.facts.context, n_predict);
    planned made;
    made.prompt = composer.compose(texts);
    if (wanted.max_prompt_seconds > 0.0) {
        made.shorten = [texts = std::move(texts), seconds = wanted.max_prompt_seconds](
                           const loaded_model& of, const prompt_costs& costs, omitted_tokens& omitted) {
            return composer_of(of).compose_within(texts, affordable_tokens(costs, seconds), costs.reusable, omitted);
        };
    }
    if (model.fim.middle->end) made.more_end_of_text.push_back(*model.fim.middle->end);
    made.filter = text_filter(wanted.n_indent, typed, suffix);
    return made;
}

void answer_infill(const exchange& with, const model_pointer& model, slot_table& slots) {
    const std::uint64_t turn = slots.arrive();
    const json body = parse_object(with.asked.body);
    const fields given(body);
    require_middle(*model, "/infill");
    const settings wanted = read_settings(given, api::llama_cpp, *model);
    const json& prefix = required(given, "input_prefix");
    const json& suffix = required(given, "input_suffix");
    const std::string typed = given.text("prompt").value_or("");

    infill_texts texts;
    read_extra(given, *model, texts);
    texts.prefix = encode(model->words(), prefix, text_kind::plain, "input_prefix");
    texts.typed = encode(model->words(), typed, text_kind::plain_after);
    texts.suffix = encode(model->words(), suffix, text_kind::plain_after, "input_suffix");

    std::string before = text_of(*model, prefix) + typed;
    before.erase(0, before.rfind('\n') + 1);  // npos + 1 is 0
    std::vector<planned> plans;
    plans.push_back(plan_middle(*model, wanted, std::move(texts), before, text_of(*model, suffix)));
    // Only a request that will run ends the older one of its slot, and before it is queued behind that one.
    prepared ready = prepare_all(with, model, wanted, native_format(model, wanted, false), std::move(plans));
    if (wanted.slot) slots.replace(*wanted.slot, turn, ready.to, wanted.n_predict != 0);
    submit_all(model, std::move(ready));
}

}  // namespace serve
