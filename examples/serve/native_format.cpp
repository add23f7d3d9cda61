// SPDX-License-Identifier: MIT
// llama.cpp's replies.
#include <algorithm>
#include <utility>

#include "reply_format.hpp"

namespace serve {

namespace {

json probability(const loaded_model& model, const candidate& of) {
    const bool known = model.words().has(of.id);
    const std::string_view piece = known ? model.words().piece(of.id) : std::string_view();
    return {{"id", of.id}, {"token", piece}, {"bytes", bytes_of(piece)}, {"logprob", of.log_probability}};
}

json probabilities(const loaded_model& model, std::span<const new_token> tokens) {
    json made = json::array();
    for (const new_token& token : tokens) {
        json one = probability(model, {token.id, token.log_probability});
        json top = json::array();
        for (const candidate& other : token.top) top.push_back(probability(model, other));
        one["top_logprobs"] = std::move(top);
        made.push_back(std::move(one));
    }
    return made;
}

json ids_of(std::span<const new_token> tokens) {
    json made = json::array();
    for (const new_token& token : tokens) made.push_back(token.id);
    return made;
}

/// Returns what each token took, beyond llama.cpp's fields. A part of a stream has several tokens where text of earlier
/// ones was held back.
json steps_of(std::span<const new_token> tokens) {
    json made = json::array();
    for (const new_token& token : tokens) {
        made.push_back({{"text", token.piece}, {"exit_layer", token.exit_layer}, {"drafted", token.drafted}});
    }
    return made;
}

/// Returns the named members, "timings/prompt_n" being one of a member; names that a reply lacks are omitted.
json selected(const json& reply, const std::vector<std::string>& names) {
    json made = json::object();
    for (const std::string& name : names) {
        const json* at = &reply;
        for (std::string_view rest = name; at != nullptr;) {
            const std::size_t end = rest.find('/');
            const auto found = at->is_object() ? at->find(rest.substr(0, end)) : at->end();
            at = at->is_object() && found != at->end() ? &*found : nullptr;
            if (end == rest.npos) break;
            rest.remove_prefix(end + 1);
        }
        if (at != nullptr) made[name] = *at;
    }
    return made;
}

class native final : public reply_format {
public:
    native(model_pointer model, settings wanted, bool as_array)
        : model_(std::move(model)), wanted_(std::move(wanted)), as_array_(as_array) {}

    [[nodiscard]] json whole(std::span<const finished> all) const override {
        json made = json::array();
        for (const finished& one : all) {
            made.push_back(
                reply(one, one.content, wanted_.return_tokens ? ids_of(one.tokens) : json::array(), one.tokens));
        }
        return as_array_ || made.size() > 1 ? made : made.front();
    }
    [[nodiscard]] json part(const streamed& of) const override {
        json made{{"index", of.index},
                  {"content", of.text},
                  {"tokens", ids_of(of.tokens)},
                  {"stop", false},
                  {"id_slot", wanted_.slot.value_or(-1)},
                  {"tokens_predicted", of.new_tokens},
                  {"tokens_evaluated", of.prompt_tokens},
                  {"steps", steps_of(of.tokens)}};
        if (wanted_.n_probs != 0) made["completion_probabilities"] = probabilities(*model_, of.tokens);
        return made;
    }
    [[nodiscard]] json last(const finished& of) const override {
        json made = reply(of, "", json::array(), {});
        made.erase("completion_probabilities");  // each part had its own
        return made;
    }

private:
    [[nodiscard]] json reply(const finished& of, const std::string& content, json tokens,
                             std::span<const new_token> shown) const {
        json made{{"index", of.index}, {"content", content}, {"tokens", std::move(tokens)}};
        made["id_slot"] = wanted_.slot.value_or(-1);  // the one that was named: another could be taken to be free
        made["stop"] = true;
        made["model"] = model_->facts.name;
        made["tokens_predicted"] = of.tokens.size();
        made["tokens_evaluated"] = of.prompt.size();
        made["generation_settings"] = to_json(wanted_, model_->facts.context);
        made["prompt"] = model_->words().decode(of.prompt);
        made["has_new_line"] = of.has_new_line;
        made["truncated"] = of.of.reason == eo::finish_reason::context_full;
        made["stop_type"] = to_string(of.stop);
        made["stopping_word"] = of.stopping_word;
        made["tokens_cached"] = of.prompt.size() + of.tokens.size();
        made["timings"] = timings_of(of);
        if (of.cancelled) made["cancelled"] = true;
        if (wanted_.n_probs != 0) made["completion_probabilities"] = probabilities(*model_, shown);
        return wanted_.response_fields ? selected(made, *wanted_.response_fields) : made;
    }

    model_pointer model_;
    settings wanted_;
    bool as_array_;
};

}  // namespace

std::unique_ptr<reply_format> native_format(model_pointer model, settings wanted, bool as_array) {
    return std::make_unique<native>(std::move(model), std::move(wanted), as_array);
}

json bytes_of(std::string_view text) {
    json made = json::array();
    for (const char c : text) made.push_back(static_cast<unsigned char>(c));
    return made;
}

json timings_of(const finished& of) {
    const eo::run_stats& stats = of.of.stats;
    const std::size_t reused = std::min(stats.reused_tokens, of.prompt.size());
    json made{{"cache_n", reused}};
    const auto add = [&](const std::string& name, std::size_t n, std::size_t computed, double seconds) {
        const auto count = static_cast<double>(computed);
        made[name + "_n"] = n;
        made[name + "_ms"] = seconds * 1000.0;
        made[name + "_per_token_ms"] = computed == 0 ? 0.0 : seconds * 1000.0 / count;
        made[name + "_per_second"] = seconds <= 0.0 ? 0.0 : count / seconds;
    };
    const std::size_t prompt = of.prompt.size() - reused;
    add("prompt", prompt, prompt, stats.prefill_seconds);
    // The first new token comes with the prompt.
    const std::size_t predicted = of.tokens.size();
    add("predicted", predicted, predicted == 0 ? 0 : predicted - 1, stats.decode_seconds);
    made["draft_n"] = stats.drafted;
    made["draft_n_accepted"] = stats.accepted;
    // Beyond llama.cpp's.
    made["queued_ms"] = of.of.queued_seconds * 1000.0;
    made["exit_layers"] = stats.mean_exit_layer();
    made["layers_skipped"] = stats.layers_skipped();
    made["policy"] = of.of.policy;
    made["ended_by"] = of.ended_by;
    if (of.omitted.any()) {
        made["omitted"] = {{"extra_tokens", of.omitted.extra},
                           {"prefix_tokens", of.omitted.prefix},
                           {"suffix_tokens", of.omitted.suffix}};
    }
    return made;
}

}  // namespace serve
