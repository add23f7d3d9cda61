// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SERVE_SERVED_HPP
#define EARLYOUT_TESTS_SERVE_SERVED_HPP

#include <earlyout/text/tokenizer.hpp>

#include <cstddef>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/fake_engine.hpp"
#include "serve/json.hpp"
#include "serve/service.hpp"
#include "text/tokenizer_fixtures.hpp"

namespace support {

inline bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// Keeps a reply, and whether its calls came in order.
struct recorded_reply final : serve::reply_sink {
    int status = 0;
    std::string type;
    std::string body;
    std::vector<std::string> events;
    bool begun = false, ended = false, in_order = true;
    serve::json notes = serve::json::object();

    void send(int code, std::string content_type, std::string data) override {
        in_order = in_order && status == 0;
        status = code;
        type = std::move(content_type);
        body = std::move(data);
        ended = true;
    }
    void begin(int code, std::string content_type) override {
        in_order = in_order && status == 0;
        status = code;
        type = std::move(content_type);
        begun = true;
    }
    void write(std::string data) override {
        in_order = in_order && begun && !ended;
        events.push_back(std::move(data));
    }
    void end() override {
        in_order = in_order && begun && !ended;
        ended = true;
    }
    void note(std::string name, std::string value) override { notes[name] = serve::json::parse(value); }

    [[nodiscard]] bool is_whole() const { return ended && in_order && !begun; }
    [[nodiscard]] serve::json object() const { return serve::json::parse(body); }
    /// The streamed objects; "[DONE]" is a string.
    [[nodiscard]] std::vector<serve::json> stream() const {
        std::vector<serve::json> made;
        for (const std::string& event : events) {
            if (!event.starts_with("data: ") || !event.ends_with("\n\n")) return {};
            const std::string data = event.substr(6, event.size() - 8);
            made.push_back(data == "[DONE]" ? serve::json(data) : serve::json::parse(data));
        }
        return made;
    }
    /// The sentence of an error whose status and type these are; empty: it is another reply.
    [[nodiscard]] std::string refused(int code, std::string_view kind) const {
        if (!is_whole() || status != code || body.find('\n') != std::string::npos) return {};
        const serve::json all = object();
        if (!all.contains("error") || all["error"]["code"] != code || all["error"]["type"] != kind) return {};
        return all["error"]["message"].get<std::string>();
    }
};

inline std::ostream& operator<<(std::ostream& out, const recorded_reply& r) {
    out << r.status << ' ' << r.body;
    for (const std::string& event : r.events) out << event;
    return out;
}

/// A tokenizer of bytes, and these special tokens from id 256.
inline eo::text::tokenizer byte_tokenizer(const std::vector<std::string>& special) {
    auto made = tokenizer_json({});
    made["model"]["vocab"].erase("<|endoftext|>");
    made["added_tokens"] = nlohmann::json::array();
    for (std::size_t i = 0; i < special.size(); ++i) {
        made["added_tokens"].push_back(
            {{"id", 256 + i}, {"content", special[i]}, {"special", true}, {"normalized", false}});
    }
    return eo::text::tokenizer::from_json(made.dump(), "tokenizer.json");
}

inline const std::vector<std::string> qwen_tokens{"<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>",
                                                  "<|repo_name|>", "<|file_sep|>",   "<|im_start|>",   "<|im_end|>"};

/// A request of /infill.
inline serve::json missing_middle(const std::string& prefix = "def f():\n", const std::string& typed = "    return ",
                                  const std::string& suffix = "\n\nx\n") {
    return {{"input_prefix", prefix}, {"prompt", typed}, {"input_suffix", suffix}};
}

/// A service with a model and a scripted engine.
struct served {
    explicit served(const std::vector<std::string>& special = qwen_tokens, std::size_t context = 4096,
                    serve::service_options options = {})
        : words(byte_tokenizer(special)), engine(words), service(std::move(options)) {
        facts.name = "model.gguf";
        facts.tokenizer = &words;
        facts.context = context;
        facts.vocab = words.size();
        facts.layers = 4;
        facts.end_ids = {256};
        load();
    }
    void load() { service.set_model(facts, engine); }

    std::shared_ptr<recorded_reply> ask(std::string_view method, std::string_view target, const std::string& body = {},
                                        std::string authorization = {}, std::string api_key = {}) {
        auto reply = std::make_shared<recorded_reply>();
        serve::exchange with{
            {std::string(method), std::string(target), body, std::move(authorization), std::move(api_key)}, reply, {}};
        last_cancel = with.cancel;
        service.handle(std::move(with));
        return reply;
    }
    std::shared_ptr<recorded_reply> post(std::string_view target, const serve::json& body) {
        return ask("POST", target, body.dump());
    }
    [[nodiscard]] std::string prompt(std::size_t job = 0) const { return words.decode(engine.jobs.at(job).prompt); }

    eo::text::tokenizer words;
    serve::model_facts facts;
    fake_engine engine;
    serve::service service;
    std::stop_source last_cancel;
};

}  // namespace support

#endif
