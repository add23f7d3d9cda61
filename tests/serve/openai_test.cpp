// SPDX-License-Identifier: MIT
// POST /v1/completions and /v1/chat/completions.
#include "serve/chat_template.hpp"

#include <string>
#include <vector>

#include "serve/served.hpp"
#include "support/catch.hpp"

using serve::json;
using support::has;
using support::served;

namespace {

json user(const json& content) {
    return json{{"messages", json::array({json{{"role", "user"}, {"content", content}}})}};
}

/// The prompt of a chat with this template and these control tokens.
std::string prompt_of(const char* source, const std::vector<std::string>& tokens, const json& messages) {
    served s(tokens);
    s.facts.chat_template = source;
    s.load();
    const auto reply = s.post("/v1/chat/completions", {{"messages", messages}});
    if (reply->status != 200) return reply->body;
    return s.prompt();
}

const json conversation = json::parse(R"([{"role":"system","content":"S"},{"role":"user","content":"U"},
    {"role":"assistant","content":"A"},{"role":"user","content":"V"}])");

}  // namespace

TEST_CASE("Zed's request gets OpenAI's shape", "[serve][openai]") {
    served s;
    const json reply = s.ask("POST", "/v1/completions", R"({"model":"m","prompt":"a","max_tokens":64,
        "stop":["\n"],"temperature":0.2})")
                           ->object();
    CHECK(reply["id"].is_string());
    CHECK(reply["object"] == "text_completion");
    CHECK(reply["created"].is_number_unsigned());
    CHECK(reply["model"] == "model.gguf");
    REQUIRE(reply["choices"].size() == 1);
    CHECK(reply["choices"][0] == json{{"text", "1"}, {"index", 0}, {"logprobs", nullptr}, {"finish_reason", "stop"}});
    CHECK(reply["usage"]["prompt_tokens"] == 1);
    CHECK(reply["usage"]["completion_tokens"] == 2);
    CHECK(reply["usage"]["total_tokens"] == 3);
    CHECK(s.post("/v1/completions", {{"prompt", "a"}})->status == 200);
    CHECK(s.engine.jobs.back().options.max_new_tokens == 16);
    CHECK(s.post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}})->object()["choices"][0]["finish_reason"] ==
          "length");
}

TEST_CASE("Minuet may send a suffix", "[serve][openai]") {
    served s;
    const auto reply = s.ask("POST", "/v1/completions", R"({"model":"m","prompt":"def f():\n    return ",
        "suffix":"\n\n<|im_end|>\nx","stream":true,"max_tokens":128,"top_p":0.9})");
    CHECK(s.prompt() == "<|fim_prefix|>def f():\n    return <|fim_suffix|>\n\n<|im_end|>\nx<|fim_middle|>");
    CHECK(s.engine.jobs[0].prompt.size() == 3 + 20 + 14);
    const auto events = reply->stream();
    REQUIRE(events.size() >= 3);
    CHECK(events.back() == "[DONE]");
    CHECK(events[0]["choices"][0]["text"] == "1");
    CHECK(events[0]["choices"][0]["finish_reason"].is_null());
    CHECK(events[events.size() - 2]["choices"][0]["finish_reason"] == "stop");
    CHECK(s.post("/v1/completions", {{"prompt", "a"}, {"suffix", ""}})->status == 200);
    CHECK(s.prompt(1) == "a");
    s.facts.fim_order = "after-middle";
    s.load();
    CHECK(s.post("/v1/completions", {{"prompt", "a\nb"}, {"suffix", "c"}})->status == 200);
    CHECK(s.prompt(2) == "<|fim_prefix|>a\n<|fim_suffix|>c<|fim_middle|>b");
    CHECK(has(s.post("/v1/completions", {{"prompt", {64}}, {"suffix", "c"}})->refused(400, "invalid_request_error"),
              "prompt"));
    served plain({"<|endoftext|>"});
    CHECK(has(plain.post("/v1/completions", {{"prompt", "a"}, {"suffix", "b"}})->refused(501, "not_supported_error"),
              "suffix"));
}

TEST_CASE("choices, probabilities and usage of a stream", "[serve][openai]") {
    served s;
    const json reply =
        s.post("/v1/completions", {{"prompt", {"a", "bb"}}, {"n", 2}, {"logprobs", 1}, {"best_of", 1}, {"echo", false}})
            ->object();
    REQUIRE(reply["choices"].size() == 4);
    CHECK(reply["choices"][3]["index"] == 3);
    CHECK(reply["usage"]["prompt_tokens"] == 3);
    const json& shown = reply["choices"][0]["logprobs"];
    CHECK(shown["tokens"] == json{"1", "\n"});
    CHECK(shown["token_logprobs"] == json{-0.5, -0.5});
    CHECK(shown["text_offset"] == json{0, 1});
    CHECK(shown["top_logprobs"].size() == 2);

    const auto events =
        s.post("/v1/completions", {{"prompt", "a"}, {"stream", true}, {"stream_options", {{"include_usage", true}}}})
            ->stream();
    REQUIRE(events.size() == 5);
    CHECK(events[0]["usage"].is_null());
    CHECK(events[3]["choices"].empty());
    CHECK(events[3]["usage"]["total_tokens"] == 3);
    CHECK(events[4] == "[DONE]");

    CHECK(has(s.post("/v1/completions", {{"prompt", "a"}, {"best_of", 2}})->refused(400, "not_supported_error"),
              "best_of"));
    CHECK(
        has(s.post("/v1/completions", {{"prompt", "a"}, {"echo", true}})->refused(400, "not_supported_error"), "echo"));
    CHECK(has(s.post("/v1/completions", {{"prompt", "a"}, {"n", 99}})->refused(400, "invalid_request_error"), "n:"));
}

TEST_CASE("chats are rendered as the model's family has them", "[serve][chat]") {
    CHECK(prompt_of("{{'<|im_start|>'}}", {"<|im_start|>", "<|im_end|>"}, conversation) ==
          "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
          "<|im_start|>user\nV<|im_end|>\n<|im_start|>assistant\n");
    CHECK(prompt_of("<|start_header_id|><|end_header_id|>", {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
                    conversation) ==
          "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nU"
          "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|><|start_header_id|>user"
          "<|end_header_id|>\n\nV<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
    CHECK(prompt_of("' [INST] '", {"</s>"}, conversation) == " [INST] S\n\nU [/INST] A</s> [INST] V [/INST]");
    CHECK(prompt_of("{{ '[INST] ' }}", {"</s>", "[INST]", "[/INST]"}, conversation) ==
          "[INST] S\n\nU[/INST] A</s>[INST] V[/INST]");
    CHECK(prompt_of("{{ \"[INST]\" }}", {"</s>", "[INST]", "[/INST]"}, conversation) ==
          "[INST]S\n\nU[/INST]A</s>[INST]V[/INST]");
    CHECK(prompt_of("<start_of_turn>", {"<start_of_turn>", "<end_of_turn>"}, conversation) ==
          "<start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n<start_of_turn>user\nV"
          "<end_of_turn>\n<start_of_turn>model\n");
    CHECK(prompt_of("<|assistant|><|end|>", {"<|system|>", "<|user|>", "<|assistant|>", "<|end|>"}, conversation) ==
          "<|system|>\nS<|end|>\n<|user|>\nU<|end|>\n<|assistant|>\nA<|end|>\n<|user|>\nV<|end|>\n<|assistant|>\n");
    // The answer's beginning may be given.
    CHECK(prompt_of("<|im_start|>", {"<|im_start|>", "<|im_end|>"},
                    json::parse(R"([{"role":"user","content":"U"},{"role":"assistant","content":"A"}])")) ==
          "<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\nA");
}

TEST_CASE("a chat's contents are text, and its turn's end ends the answer", "[serve][chat]") {
    served s;
    s.facts.chat_template = "{{ bos_token }}<|im_start|>";
    s.facts.bos_id = 256;
    s.load();
    const json reply = s.post("/v1/chat/completions",
                              user(json::parse(R"([{"type":"text","text":"<|im_end|>"},{"type":"text","text":"b"}])")))
                           ->object();
    const auto& job = s.engine.jobs[0];
    CHECK(s.prompt() == "<|endoftext|><|im_start|>user\n<|im_end|>b<|im_end|>\n<|im_start|>assistant\n");
    std::size_t controls = 0;
    for (const auto id : job.prompt) controls += id >= 256;
    CHECK(controls == 4);
    CHECK(job.options.more_end_of_text == serve::token_ids{263});
    CHECK(job.options.max_new_tokens == 4096);
    CHECK(reply["object"] == "chat.completion");
    CHECK(reply["choices"][0]["message"]["content"] == "1\n");
    CHECK(reply["choices"][0]["message"]["role"] == "assistant");
    CHECK(reply["choices"][0]["finish_reason"] == "stop");

    json asked = user("a");
    asked.update(json{{"stream", true}, {"max_completion_tokens", 2}, {"logprobs", true}, {"top_logprobs", 1}});
    const auto events = s.post("/chat/completions", asked)->stream();
    REQUIRE(events.size() == 5);
    CHECK(events[0]["choices"][0]["delta"]["role"] == "assistant");
    CHECK(events[1]["object"] == "chat.completion.chunk");
    CHECK(events[1]["choices"][0]["delta"]["content"] == "1");
    CHECK(events[1]["choices"][0]["logprobs"]["content"][0]["top_logprobs"].size() == 1);
    CHECK(events[3]["choices"][0]["finish_reason"] == "length");
    CHECK(events[4] == "[DONE]");
}

TEST_CASE("wrong chats are refused by name", "[serve][chat]") {
    served s;
    CHECK(
        has(s.post("/v1/chat/completions", user("a"))->refused(501, "not_supported_error"), "without a chat template"));
    s.facts.chat_template = "{% for m in messages %}<|start_of_role|>{{ m.role }} and more text than sixty characters";
    s.load();
    const std::string other = s.post("/v1/chat/completions", user("a"))->refused(501, "not_supported_error");
    CHECK(has(other, "{% for m in messages %}<|start_of_role|>"));
    CHECK_FALSE(has(other, "sixty characters"));
    s.facts.chat_template = "<start_of_turn>";
    s.load();
    CHECK(has(s.post("/v1/chat/completions", user("a"))->refused(501, "not_supported_error"), "<start_of_turn>"));

    s.facts.chat_template = "<|im_start|>";
    s.load();
    const auto refused = [&](const json& body, const char* type, const char* words) {
        const std::string sentence = s.post("/v1/chat/completions", body)->refused(400, type);
        CAPTURE(body.dump(), sentence);
        CHECK(has(sentence, words));
    };
    const char* const invalid = "invalid_request_error";
    refused(json::object(), invalid, "messages");
    refused({{"messages", json::array()}}, invalid, "at least one");
    refused({{"messages", 3}}, invalid, "found 3");
    refused({{"messages", {3}}}, invalid, "messages[0]");
    refused(json::parse(R"({"messages":[{"role":"king","content":"a"}]})"), invalid, "messages[0].role");
    refused(json::parse(R"({"messages":[{"role":"user"}]})"), invalid, "messages[0].content");
    refused(json::parse(R"({"messages":[{"role":"user","content":[1]}]})"), invalid, "messages[0].content");
    const char* const unsupported = "not_supported_error";
    refused(json::parse(R"({"messages":[{"role":"tool","content":"a"}]})"), unsupported, "tools");
    refused(json::parse(R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})"), unsupported,
            "image_url");
    for (const char* const name : {"tools", "functions", "web_search_options", "reasoning_effort"}) {
        json body = user("a");
        body[name] = json::array({1});
        refused(body, unsupported, name);
    }
    json body = user("a");
    body["top_logprobs"] = 3;
    refused(body, invalid, "top_logprobs");
    CHECK(s.engine.jobs.empty());
}
