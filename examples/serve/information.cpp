// SPDX-License-Identifier: MIT
// GET /props, /slots, /v1/models; POST /tokenize, /detokenize.
#include <chrono>
#include <cstdint>
#include <optional>

#include <earlyout/core/config.hpp>

#include "answer.hpp"
#include "api_error.hpp"
#include "fields.hpp"
#include "prompt_ids.hpp"
#include "requests.hpp"
#include "settings.hpp"

namespace serve {

namespace {

std::string piece_of(const loaded_model& model, std::optional<eo::token_id> id) {
    return id && model.words().has(*id) ? std::string(model.words().piece(*id)) : std::string();
}

bool is_utf8(const std::string& text) {
    try {
        (void)json(text).dump();
        return true;
    } catch (const json::exception&) {
        return false;
    }
}

}  // namespace

void answer_properties(const exchange& with, const model_pointer& model) {
    const model_facts& facts = model->facts;
    const json none = json::object();
    // A copy of an optional in the list below would be more than GCC 12 can follow.
    const std::string end = facts.end_ids.empty() ? std::string() : piece_of(*model, facts.end_ids.front());
    const json defaults = to_json(read_settings(fields(none), api::llama_cpp, *model), facts.context);
    json made{
        {"default_generation_settings",
         {{"id", 0}, {"n_ctx", facts.context}, {"speculative", false}, {"is_processing", false}, {"params", defaults}}},
        {"total_slots", model->runs->slots()},
        {"model_alias", facts.name},
        {"model_path", facts.name},  // never the host's folders
        {"modalities", {{"vision", false}, {"audio", false}}},
        {"chat_template", facts.chat_template.value_or("")},
        {"bos_token", piece_of(*model, facts.bos_id)},
        {"eos_token", end},
        {"build_info", std::string("earlyout ") + eo::version}};
    made["n_batch"] = model->batch();
    made["exit_policy"] = facts.policy;
    made["fim_order"] = model->fim.middle ? json(to_string(model->order)) : json(nullptr);
    send(*with.reply, 200, made);
}

void answer_slots(const exchange& with, const model_pointer& model) {
    json made = json::array();
    bool any_idle = false;
    for (const slot_state& slot : model->runs->slot_states()) {
        any_idle = any_idle || !slot.is_busy;
        made.push_back({{"id", slot.id},
                        {"n_ctx", model->facts.context},
                        {"is_processing", slot.is_busy},
                        {"n_prompt_tokens", slot.prompt_tokens},
                        {"n_decoded", slot.new_tokens},
                        {"n_cached", slot.cached_tokens}});
    }
    if (!any_idle && with.asked.target.find("fail_on_no_slot=1") != std::string::npos) {
        throw api_error(503, "unavailable_error", "slots: expected an idle one, found none");
    }
    send(*with.reply, 200, made);
}

void answer_models(const exchange& with, const model_pointer& model) {
    const model_facts& facts = model->facts;
    using namespace std::chrono;
    static const auto start = duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
    json meta{{"n_vocab", facts.vocab},
              {"n_ctx_train", facts.training_context == 0 ? facts.context : facts.training_context},
              {"n_ctx", facts.context},
              {"n_embd", facts.d_model},
              {"n_layer", facts.layers},
              {"n_params", facts.parameters},
              {"size", facts.parameter_bytes}};
    // Editors take this owner for a server with llama.cpp's routes.
    json one{{"id", facts.name}, {"object", "model"}, {"created", start}, {"owned_by", "llamacpp"}, {"meta", meta}};
    const std::string path = with.asked.target.substr(0, with.asked.target.find('?'));
    constexpr std::string_view of_one = "/models/";
    if (const auto named = path.find(of_one); named != std::string::npos) {
        const std::string name = path.substr(named + of_one.size());
        if (name != facts.name) {
            throw api_error(404, "not_found_error", "models: expected " + facts.name + ", found " + name.substr(0, 80));
        }
        return send(*with.reply, 200, one);
    }
    send(*with.reply, 200, {{"object", "list"}, {"data", json::array({one})}});
}

void answer_tokenize(const exchange& with, const model_pointer& model) {
    const json body = parse_object(with.asked.body);
    const fields given(body);
    const json* const content = given.find("content");
    const bool begins = given.flag("add_special").value_or(false);
    const bool special = given.flag("parse_special").value_or(true);
    token_ids ids;
    if (content != nullptr) {
        ids = encode(model->words(), *content, special ? text_kind::typed : text_kind::plain_after, "content");
        if (content->is_string()) {
            // A text of its own, as encode() has it: some tokenizers put a space before it.
            ids = model->words().encode(content->get_ref<const std::string&>(), {.special_tokens = special});
        }
    }
    if (begins) {
        const auto before = model->words().tokens_before();
        ids.insert(ids.begin(), before.begin(), before.end());
    }
    json tokens = json::array();
    const bool with_pieces = given.flag("with_pieces").value_or(false);
    for (const eo::token_id id : ids) {
        if (!with_pieces) {
            tokens.push_back(id);
            continue;
        }
        const std::string piece = piece_of(*model, id);
        tokens.push_back({{"id", id}, {"piece", is_utf8(piece) ? json(piece) : bytes_of(piece)}});
    }
    send(*with.reply, 200, {{"tokens", std::move(tokens)}});
}

void answer_detokenize(const exchange& with, const model_pointer& model) {
    const json body = parse_object(with.asked.body);
    const json* const tokens = fields(body).find("tokens");
    token_ids ids;
    if (tokens != nullptr) {
        if (!tokens->is_array()) throw wrong_field("tokens", "an array of ids of tokens", described(*tokens));
        for (const json& one : *tokens) {
            if (!one.is_number_integer()) throw wrong_field("tokens", "ids of tokens", described(one));
        }
        ids = encode(model->words(), *tokens, text_kind::plain, "tokens");
    }
    send(*with.reply, 200, {{"content", model->words().decode(ids)}});
}

}  // namespace serve
