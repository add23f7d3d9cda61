// SPDX-License-Identifier: MIT
#include "serve/service.hpp"

#include <string>

#include "serve/served.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using serve::json;
using support::has;
using support::served;

TEST_CASE("while a model is loading every request says so", "[serve][service]") {
    serve::service service({.api_keys = {}, .page = "<html>"});
    CHECK(service.loading());
    const auto ask = [&](const char* method, const char* target) {
        auto reply = std::make_shared<support::recorded_reply>();
        service.handle({{method, target, "{}", "", ""}, reply, {}});
        return reply;
    };
    const char* const loading = R"({"error":{"code":503,"message":"Loading model","type":"unavailable_error"}})";
    for (const char* const target : {"/health", "/v1/health", "/props", "/slots", "/metrics", "/v1/models"}) {
        CAPTURE(target);
        CHECK(ask("GET", target)->body == loading);
        CHECK(ask("GET", target)->status == 503);
    }
    for (const char* const target : {"/infill", "/completion", "/v1/completions", "/tokenize"}) {
        CHECK(ask("POST", target)->body == loading);
    }
    CHECK(ask("GET", "/")->body == "<html>");
    CHECK(has(ask("GET", "/")->type, "text/html"));

    service.failed("/home/me/models/m.gguf: expected a GGUF file, found nothing");
    CHECK_FALSE(service.loading());
    CHECK(ask("GET", "/health")->refused(500, "server_error") == "m.gguf: expected a GGUF file, found nothing");
}

TEST_CASE("a loaded model answers", "[serve][service]") {
    served s;
    CHECK(s.ask("GET", "/health")->body == R"({"status":"ok"})");
    CHECK(s.ask("GET", "/health?x=1")->status == 200);
    CHECK(s.ask("GET", "/")->refused(404, "not_found_error") != "");
    const json models = s.ask("GET", "/v1/models")->object();
    CHECK(models["data"][0]["id"] == "model.gguf");
    CHECK(models["data"][0]["owned_by"] == "llamacpp");
    CHECK(models["data"][0]["meta"]["n_ctx_train"] == 4096);
    CHECK(s.ask("GET", "/v1/models/model.gguf")->object() == models["data"][0]);
    CHECK(has(s.ask("GET", "/v1/models/other")->refused(404, "not_found_error"), "found other"));
    const json props = s.ask("GET", "/props")->object();
    CHECK(props["default_generation_settings"]["n_ctx"] == 4096);
    CHECK(props["default_generation_settings"]["params"]["temperature"] == 0.8f);
    CHECK(props["total_slots"] == 2);
    CHECK(props["eos_token"] == "<|endoftext|>");
    CHECK(props["fim_order"] == "prefix-first");
    const json slots = s.ask("GET", "/slots")->object();
    CHECK(slots.size() == 2);
    CHECK(slots[0]["is_processing"] == true);
    CHECK(s.ask("GET", "/slots?fail_on_no_slot=1")->status == 200);
    s.engine.waits = true;
    CHECK(s.ask("GET", "/slots?fail_on_no_slot=1")->refused(503, "unavailable_error") != "");
}

TEST_CASE("metrics have llama.cpp's names and the server's own", "[serve][metrics]") {
    served s;
    const auto reply = s.ask("GET", "/metrics");
    CHECK(reply->type.starts_with("text/plain"));
    for (const char* const line :
         {"\nllamacpp:prompt_tokens_total 10\n", "\nllamacpp:prompt_seconds_total 2\n",
          "\nllamacpp:prompt_tokens_seconds 5\n", "\nllamacpp:tokens_predicted_total 0\n",
          "# TYPE llamacpp:requests_processing gauge\n", "\nearlyout_reused_tokens_total 7\n"}) {
        CAPTURE(line);
        CHECK(has(reply->body, line));
    }
}

TEST_CASE("unknown paths and wrong methods are refused in the same shape", "[serve][service]") {
    served s;
    CHECK(has(s.ask("GET", "/nothing")->refused(404, "not_found_error"), "/nothing"));
    CHECK(has(s.ask("GET", "/infill")->refused(405, "invalid_request_error"), "expected POST, found GET"));
    CHECK(has(s.ask("POST", "/health")->refused(405, "invalid_request_error"), "expected GET, found POST"));
    for (const char* const method : {"HEAD", "OPTIONS", "PUT", "DELETE"}) {
        CHECK(s.ask(method, "/completion")->refused(405, "invalid_request_error") != "");
    }
    CHECK(
        has(s.ask("POST", "/completion", "{")->refused(400, "invalid_request_error"), "body: expected a JSON object"));
    CHECK(has(s.ask("POST", "/completion", "[]")->refused(400, "invalid_request_error"), "found an array"));
    CHECK(has(s.ask("POST", "/completion", "")->refused(400, "invalid_request_error"), "body"));
    const std::string deep(100, '[');
    CHECK(has(s.ask("POST", "/completion", R"({"a":)" + deep)->refused(400, "invalid_request_error"), "64 levels"));
    std::string wide = "{\"a\":{";
    for (int i = 0; i < 10001; ++i) wide += "\"" + std::to_string(i) + "\":0,";
    CHECK(has(s.ask("POST", "/completion", wide)->refused(400, "invalid_request_error"), "10000 members"));
    CHECK(s.ask("POST", "/completion", "{\"prompt\":\"\xff\"}")->refused(400, "invalid_request_error") != "");
}

TEST_CASE("keys are needed where some are set, except for health and the page", "[serve][service]") {
    served open;
    CHECK(open.ask("GET", "/props", "", "Bearer ")->status == 200);
    CHECK(open.ask("GET", "/props", "", "Bearer anything")->status == 200);

    served s(support::qwen_tokens, 4096, {.api_keys = {"one", "two"}, .page = "p"});
    CHECK(s.ask("GET", "/health")->status == 200);
    CHECK(s.ask("GET", "/v1/health")->status == 200);
    CHECK(s.ask("GET", "/")->status == 200);
    CHECK(s.ask("GET", "/props")->refused(401, "authentication_error") != "");
    CHECK(s.ask("GET", "/props", "", "Bearer ")->refused(401, "authentication_error") != "");
    CHECK(s.ask("GET", "/props", "", "Bearer on")->refused(401, "authentication_error") != "");
    CHECK(s.ask("GET", "/props", "", "Basic one")->refused(401, "authentication_error") != "");
    CHECK(s.ask("GET", "/props", "", "Bearer one")->status == 200);
    CHECK(s.ask("GET", "/props", "", "Bearer two")->status == 200);
    CHECK(s.ask("GET", "/props", "", "", "two")->status == 200);
    CHECK(s.ask("GET", "/props", "", "", "three")->refused(401, "authentication_error") != "");
}

TEST_CASE("texts become tokens and back", "[serve][tokenize]") {
    served s;
    CHECK(s.post("/tokenize", {{"content", "a<|im_end|>"}})->object()["tokens"] == json{64, 263});
    CHECK(s.post("/tokenize", {{"content", "a<|im_end|>"}, {"parse_special", false}})->object()["tokens"].size() == 11);
    CHECK(s.post("/tokenize", {{"content", {97, "b"}}})->object()["tokens"].size() == 2);
    CHECK(s.post("/tokenize", json::object())->body == R"({"tokens":[]})");
    const json pieces = s.post("/tokenize", {{"content", "aé"}, {"with_pieces", true}})->object()["tokens"];
    CHECK(pieces[0] == json{{"id", 64}, {"piece", "a"}});
    CHECK(pieces[1]["piece"] == json::array({0xc3}));
    CHECK(s.post("/detokenize", {{"tokens", {64, 263}}})->body == R"({"content":"a<|im_end|>"})");
    CHECK(has(s.post("/detokenize", {{"tokens", {9999}}})->refused(400, "invalid_request_error"), "9999"));
    CHECK(has(s.post("/detokenize", {{"tokens", "a"}})->refused(400, "invalid_request_error"), "tokens"));
    CHECK(has(s.post("/tokenize", {{"content", 3}})->refused(400, "invalid_request_error"), "content"));
}

TEST_CASE("a model without tokenizer is refused", "[serve][service]") {
    served s;
    s.facts.tokenizer = nullptr;
    CHECK(support::error_of([&] { s.load(); }) ==
          support::thrown(earlyout::errc::invalid_argument, {"model.gguf", "tokenizer"}));
    s.facts.tokenizer = &s.words;
    s.facts.fim_order = "sideways";
    CHECK(support::error_of([&] { s.load(); }) ==
          support::thrown(earlyout::errc::invalid_argument, {"fim_order", "sideways"}));
}
