// SPDX-License-Identifier: MIT
// OpenAI's replies.
#include <earlyout/core/config.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

#include "reply_format.hpp"

namespace serve {

namespace {

std::string next_id(const char* prefix) {
    static std::atomic<std::uint64_t> count{0};
    static const auto start = std::chrono::system_clock::now().time_since_epoch().count();
    return prefix + std::to_string(start) + "-" + std::to_string(count.fetch_add(1));
}

std::uint64_t seconds_now() {
    using namespace std::chrono;
    return static_cast<std::uint64_t>(duration_cast<seconds>(system_clock::now().time_since_epoch()).count());
}

json usage_of(std::span<const finished> all) {
    // The completions of one prompt share it.
    std::size_t prompt = 0, completion = 0, cached = 0;
    const token_ids* last = nullptr;
    for (const finished& one : all) {
        if (last == nullptr || *last != one.prompt) {
            prompt += one.prompt.size();
            cached += one.of.stats.reused_tokens;
        }
        completion += one.tokens.size();
        last = &one.prompt;
    }
    return {{"prompt_tokens", prompt},
            {"completion_tokens", completion},
            {"total_tokens", prompt + completion},
            {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

/// What the two shapes share. `choice` of whole and streamed replies differ.
class openai : public reply_format {
public:
    openai(model_pointer model, settings wanted, const char* id_prefix, const char* object, const char* chunk)
        : model_(std::move(model)),
          wanted_(std::move(wanted)),
          id_(next_id(id_prefix)),
          created_(seconds_now()),
          object_(object),
          chunk_(chunk) {}

    [[nodiscard]] json whole(std::span<const finished> all) const override {
        json choices = json::array();
        for (const finished& one : all) choices.push_back(choice(one));
        json made = frame(object_, std::move(choices));
        made["usage"] = usage_of(all);
        json timings = json::array();
        for (const finished& one : all) timings.push_back(timings_of(one));
        made["timings"] = timings.size() == 1 ? timings.front() : timings;
        return made;
    }
    [[nodiscard]] json last(const finished& of) const override {
        json made = event(last_choice(of));
        made["timings"] = timings_of(of);
        return made;
    }
    [[nodiscard]] json usage(std::span<const finished> all) const override {
        if (!wanted_.include_usage) return nullptr;
        json made = frame(chunk_, json::array());
        made["usage"] = usage_of(all);
        return made;
    }
    [[nodiscard]] bool ends_with_done() const noexcept override { return true; }

protected:
    [[nodiscard]] virtual json choice(const finished& of) const = 0;
    [[nodiscard]] virtual json last_choice(const finished& of) const = 0;

    [[nodiscard]] json event(json one_choice) const {
        json made = frame(chunk_, json::array({std::move(one_choice)}));
        if (wanted_.include_usage) made["usage"] = nullptr;
        return made;
    }
    [[nodiscard]] static const char* reason(const finished& of) noexcept {
        return of.stop == stop_type::eos || of.stop == stop_type::word ? "stop" : "length";
    }
    [[nodiscard]] std::string_view piece(eo::token_id id) const {
        return model_->words().has(id) ? model_->words().piece(id) : std::string_view();
    }
    [[nodiscard]] const settings& wanted() const noexcept { return wanted_; }

private:
    [[nodiscard]] json frame(const char* object, json choices) const {
        return {{"id", id_},
                {"object", object},
                {"created", created_},
                {"model", model_->facts.name},
                {"system_fingerprint", std::string("earlyout-") + eo::version},
                {"choices", std::move(choices)}};
    }

    model_pointer model_;
    settings wanted_;
    std::string id_;
    std::uint64_t created_;
    const char* object_;
    const char* chunk_;
};

class openai_text final : public openai {
public:
    openai_text(model_pointer model, settings wanted)
        : openai(std::move(model), std::move(wanted), "cmpl-", "text_completion", "text_completion") {}

    [[nodiscard]] json part(const streamed& of) const override {
        return event(choice(of.text, of.index, log_probabilities(of.tokens), nullptr));
    }

private:
    [[nodiscard]] json choice(const finished& of) const override {
        return choice(of.content, of.index, log_probabilities(of.tokens), reason(of));
    }
    [[nodiscard]] json last_choice(const finished& of) const override {
        return choice("", of.index, nullptr, reason(of));
    }
    [[nodiscard]] static json choice(const std::string& text, std::size_t index, json probabilities, json why) {
        return {{"text", text},
                {"index", index},
                {"logprobs", std::move(probabilities)},
                {"finish_reason", std::move(why)}};
    }
    [[nodiscard]] json log_probabilities(std::span<const new_token> tokens) const {
        if (!wanted().show_probabilities) return nullptr;
        json made{{"tokens", json::array()},
                  {"token_logprobs", json::array()},
                  {"top_logprobs", json::array()},
                  {"text_offset", json::array()}};
        std::size_t offset = 0;
        for (const new_token& token : tokens) {
            made["tokens"].push_back(piece(token.id));
            made["token_logprobs"].push_back(token.log_probability);
            json top = json::object();
            for (const candidate& other : token.top) {
                top[std::string(piece(other.id))] = other.log_probability;
            }
            made["top_logprobs"].push_back(std::move(top));
            made["text_offset"].push_back(offset);
            offset += piece(token.id).size();
        }
        return made;
    }
};

class openai_chat final : public openai {
public:
    openai_chat(model_pointer model, settings wanted)
        : openai(std::move(model), std::move(wanted), "chatcmpl-", "chat.completion", "chat.completion.chunk") {}

    [[nodiscard]] json first(std::size_t index) const override {
        return event(delta({{"role", "assistant"}, {"content", ""}}, index, nullptr, nullptr));
    }
    [[nodiscard]] json part(const streamed& of) const override {
        return event(delta({{"content", of.text}}, of.index, log_probabilities(of.tokens), nullptr));
    }

private:
    [[nodiscard]] json choice(const finished& of) const override {
        return {{"index", of.index},
                {"message", {{"role", "assistant"}, {"content", of.content}, {"refusal", nullptr}}},
                {"logprobs", log_probabilities(of.tokens)},
                {"finish_reason", reason(of)}};
    }
    [[nodiscard]] json last_choice(const finished& of) const override {
        return delta(json::object(), of.index, nullptr, reason(of));
    }
    [[nodiscard]] static json delta(json content, std::size_t index, json probabilities, json why) {
        return {{"index", index},
                {"delta", std::move(content)},
                {"logprobs", std::move(probabilities)},
                {"finish_reason", std::move(why)}};
    }
    [[nodiscard]] json log_probabilities(std::span<const new_token> tokens) const {
        if (!wanted().show_probabilities) return nullptr;
        const auto one = [this](const candidate& of) {
            return json{{"token", piece(of.id)}, {"logprob", of.log_probability}, {"bytes", bytes_of(piece(of.id))}};
        };
        json content = json::array();
        for (const new_token& token : tokens) {
            json shown = one({token.id, token.log_probability});
            shown["top_logprobs"] = json::array();
            for (const candidate& other : token.top) shown["top_logprobs"].push_back(one(other));
            content.push_back(std::move(shown));
        }
        return {{"content", std::move(content)}};
    }
};

}  // namespace

std::unique_ptr<reply_format> openai_text_format(model_pointer model, settings wanted) {
    return std::make_unique<openai_text>(std::move(model), std::move(wanted));
}

std::unique_ptr<reply_format> openai_chat_format(model_pointer model, settings wanted) {
    return std::make_unique<openai_chat>(std::move(model), std::move(wanted));
}

}  // namespace serve
