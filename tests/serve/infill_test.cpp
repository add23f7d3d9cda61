// SPDX-License-Identifier: MIT
#include "serve/infill.hpp"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "serve/served.hpp"
#include "support/catch.hpp"

using serve::json;
using support::has;
using support::missing_middle;
using support::served;

namespace {

/// What llama.vim sends.
json llama_vim() {
    return json::parse(R"({"id_slot":0,"input_prefix":"import os\ndef f():\n","input_suffix":"\n\nf()\n",
        "input_extra":[{"text":"a = 1\n","time":[1700000000,123456],"filename":"a.py"}],"prompt":"    return ",
        "n_predict":128,"stop":[],"n_indent":4,"top_k":40,"top_p":0.9,"samplers":["top_k","top_p","infill"],
        "stream":false,"cache_prompt":true,"t_max_prompt_ms":500,"t_max_predict_ms":250,"model":"",
        "response_fields":["content","timings/prompt_n","timings/prompt_ms","timings/prompt_per_token_ms",
        "timings/prompt_per_second","timings/predicted_n","timings/predicted_ms","timings/predicted_per_token_ms",
        "timings/predicted_per_second","truncated","tokens_cached","no/such"]})");
}

}  // namespace

TEST_CASE("llama.vim gets one line with the fields it asks for", "[serve][infill]") {
    served s;
    s.engine.script = "os.getcwd()\nf()\n";
    const auto reply = s.ask("POST", "/infill", llama_vim().dump(), "Bearer ");
    REQUIRE(reply->is_whole());
    CHECK(reply->status == 200);
    CHECK(reply->body.starts_with(R"x({"content":"os.getcwd()")x"));
    CHECK_FALSE(has(reply->body, "\n"));
    const json object = reply->object();
    CHECK(object.size() == 11);
    CHECK(object["timings/prompt_n"] == s.engine.jobs[0].prompt.size());
    CHECK(object["tokens_cached"] > 0);
    CHECK(object["truncated"] == false);

    CHECK(s.prompt() ==
          "<|repo_name|>myproject\n<|file_sep|>a.py\na = 1\n<|file_sep|>filename\n<|fim_prefix|>import os\ndef f():\n"
          "    return <|fim_suffix|>\n\nf()\n<|fim_middle|>");
    const auto& job = s.engine.jobs[0];
    CHECK(job.slot == 0u);
    CHECK(job.reuse_prefix);
    CHECK(job.options.max_new_tokens == 128);
    CHECK(job.options.top_k == 40);
    CHECK(job.options.top_p == 0.9f);
    using filter = earlyout::sample_filter;
    CHECK(job.options.filters == std::vector<filter>{filter::top_k, filter::top_p, filter::infill});
    REQUIRE(job.options.infill != nullptr);
    CHECK(job.options.infill->ends.at(256) == 1);
    CHECK(job.options.infill->pieces.at(256).empty());
    CHECK(job.options.infill->pieces.at(64) == "a");
}

TEST_CASE("llama.vim's warm-up computes a prompt and replies nothing", "[serve][infill]") {
    served s;
    json warm_up = llama_vim();
    warm_up.update(json::parse(R"({"n_predict":0,"samplers":[],"t_max_prompt_ms":1,"t_max_predict_ms":1,
        "response_fields":[""]})"));
    const auto reply = s.post("/infill", warm_up);
    CHECK(reply->status == 200);
    CHECK(reply->body == "{}");
    CHECK(s.engine.jobs[0].prefill_only);
    s.engine.token_seconds = 1.0;
    CHECK(s.post("/infill", warm_up)->status == 200);
    CHECK(s.prompt(1) == s.prompt(0));  // the limit of 1 ms does not cut it
    warm_up.erase("response_fields");
    CHECK(s.post("/infill", warm_up)->object()["content"] == "");
}

TEST_CASE("llama.vscode gets several completions with settings", "[serve][infill]") {
    served s;
    json asked = llama_vim();
    asked.erase("response_fields");
    asked.update(json::parse(R"({"n_cmpl":3,"top_p":0.99,
        "input_extra":[{"text":"a","time":1700000000,"filename":"/home/me/a.py"}]})"));
    const json reply = s.post("/infill", asked)->object();
    REQUIRE(reply.is_array());
    CHECK(reply.size() == 3);
    CHECK(reply[2]["index"] == 2);
    CHECK(reply[0]["generation_settings"]["n_ctx"] == 4096);
    CHECK(reply[0]["model"] == "model.gguf");
    CHECK(s.engine.jobs[2].options.seed == 2);
    CHECK_FALSE(s.engine.jobs[2].slot);
}

TEST_CASE("a reply has all the fields of llama.cpp's", "[serve][infill]") {
    served s;
    s.engine.reusable = [](const auto&) { return std::size_t{4}; };
    const json reply = s.post("/infill", missing_middle())->object();
    for (const char* const name : {"index", "content", "tokens", "id_slot", "stop", "model", "tokens_predicted",
                                   "tokens_evaluated", "generation_settings", "prompt", "has_new_line", "truncated",
                                   "stop_type", "stopping_word", "tokens_cached", "timings"}) {
        CAPTURE(name);
        CHECK(reply.contains(name));
    }
    CHECK(reply["stop_type"] == "eos");
    CHECK(reply["has_new_line"] == true);
    CHECK(reply["tokens"].empty());
    const json& timings = reply["timings"];
    CHECK(timings["cache_n"] == 4);
    CHECK(timings["prompt_n"].get<std::size_t>() == reply["tokens_evaluated"].get<std::size_t>() - 4);
    CHECK(timings["prompt_ms"] == 500.0);
    CHECK(timings["predicted_n"] == 2);
    CHECK(timings["draft_n"] == 0);
    CHECK(timings["exit_layers"] == 3.0);
    CHECK(timings["layers_skipped"] == 0.25);
    CHECK(timings["policy"] == "last()");
    CHECK_FALSE(timings.contains("omitted"));
}

TEST_CASE("control tokens in a user's text are text", "[serve][infill]") {
    served s;
    json asked = missing_middle("<|fim_suffix|>", "<|im_end|>", "<|fim_middle|>");
    asked["input_extra"] = json::array({json{{"text", "<|endoftext|>"}, {"filename", "<|file_sep|>"}}});
    CHECK(s.post("/infill", asked)->status == 200);
    std::size_t controls = 0;
    for (const auto id : s.engine.jobs[0].prompt) controls += id >= 256;
    CHECK(controls == 6);  // repository, two files, prefix, suffix, middle
    asked = missing_middle();
    asked["input_prefix"] = {64, "b"};
    CHECK(s.post("/infill", asked)->status == 200);
    CHECK(has(s.prompt(1), "<|fim_prefix|>ab    return "));
}

TEST_CASE("a completion ends by indentation, repetition or time", "[serve][infill]") {
    served s;
    json asked = missing_middle();
    asked["n_indent"] = 4;
    s.engine.script = "1\n    2\n3\n";
    json reply = s.post("/infill", asked)->object();
    CHECK(reply["content"] == "1\n    2");
    CHECK(reply["stop_type"] == "limit");
    CHECK(reply["timings"]["ended_by"] == "text_filter");

    s.engine.script = "1\n\nx\ny\n";
    reply = s.post("/infill", missing_middle())->object();
    CHECK(reply["content"] == "1\n");
    CHECK(reply["stop_type"] == "limit");

    s.engine.script = "1\n2345";
    s.engine.delay = std::chrono::milliseconds(5);
    asked = missing_middle();
    asked["t_max_predict_ms"] = 2;
    reply = s.post("/infill", asked)->object();
    CHECK(reply["content"] == "1\n");
    CHECK(reply["timings"]["ended_by"] == "t_max_predict_ms");
    s.engine.script = "12345";  // no newline: no limit
    CHECK(s.post("/infill", asked)->object()["content"] == "12345");
}

TEST_CASE("a stream holds back what may be cut", "[serve][infill]") {
    served s;
    s.engine.script = "1\n\nx\ny\n";
    json asked = missing_middle();
    asked["stream"] = true;
    const auto reply = s.post("/infill", asked);
    std::string text;
    const auto events = reply->stream();
    REQUIRE(events.size() >= 2);
    for (const json& event : events) text += event["content"].get<std::string>();
    CHECK(text == "1\n");
    CHECK(events.back()["stop"] == true);
    CHECK(events.back()["stop_type"] == "limit");
    CHECK(reply->in_order);
    CHECK(reply->ended);
}

TEST_CASE("a newer request of a slot ends the older one", "[serve][infill]") {
    served s;
    s.engine.waits = true;
    json asked = missing_middle();
    asked["id_slot"] = 0;
    const auto first = s.post("/infill", asked);
    std::shared_ptr<support::recorded_reply> second, other;
    // It arrives while the first runs.
    s.engine.before_token = [&](std::size_t token) {
        if (token != 1 || second) return;
        json wrong = asked;
        wrong["n_predict"] = "a";
        CHECK(s.post("/infill", wrong)->status == 400);  // ends nothing
        json warm_up = asked;
        warm_up["n_predict"] = 0;
        CHECK(s.post("/infill", warm_up)->status == 0);  // waits, and ends nothing
        asked["id_slot"] = 1;
        other = s.post("/infill", asked);
        asked["id_slot"] = 0;
        second = s.post("/infill", asked);
    };
    s.engine.jobs.reserve(8);
    s.engine.script = "123";
    s.engine.run(0);
    REQUIRE(first->is_whole());
    CHECK(first->status == 200);
    CHECK(first->object()["content"] == "1");
    CHECK(first->object()["cancelled"] == true);
    CHECK(first->object()["stop_type"] == "limit");
    s.engine.run(2);
    s.engine.run(3);
    CHECK(second->object()["content"] == "123");
    CHECK_FALSE(second->object().contains("cancelled"));
    CHECK(other->object()["content"] == "123");
}

TEST_CASE("a request of a slot that is read late does not end a newer one", "[serve][infill]") {
    served s;
    s.engine.waits = true;
    s.engine.script = "123";
    s.engine.jobs.reserve(8);
    json asked = missing_middle();
    asked["id_slot"] = 0;
    std::shared_ptr<support::recorded_reply> newer;
    bool is_first = true;
    s.engine.before_check = [&] {
        if (std::exchange(is_first, false)) newer = s.post("/infill", asked);
    };
    const auto older = s.post("/infill", asked);
    s.engine.run(0);
    s.engine.run(1);
    CHECK(newer->object()["content"] == "123");
    CHECK_FALSE(newer->object().contains("cancelled"));
    CHECK(older->object()["cancelled"] == true);
}

TEST_CASE("a client that leaves ends its completion", "[serve][infill]") {
    served s;
    s.engine.script = "123";
    s.engine.before_token = [&](std::size_t token) {
        if (token == 1) s.last_cancel.request_stop();
    };
    const json reply = s.post("/infill", missing_middle())->object();
    CHECK(reply["content"] == "1");
    CHECK_FALSE(reply.contains("cancelled"));
}

TEST_CASE("wrong requests for a middle are refused by name", "[serve][infill]") {
    served s;
    const auto refused = [&](const char* name, const json& value, const char* words) {
        json asked = missing_middle();
        asked[name] = value;
        CAPTURE(name, value.dump());
        const std::string sentence = s.post("/infill", asked)->refused(400, "invalid_request_error");
        CAPTURE(sentence);
        CHECK(has(sentence, name));
        CHECK(has(sentence, words));
    };
    refused("input_prefix", nullptr, "none");
    refused("input_suffix", nullptr, "none");
    refused("input_prefix", 3, "found 3");
    refused("input_prefix", {99999}, "99999");
    refused("input_suffix", {1.5}, "1.5 in the array");
    refused("prompt", {1}, "expected a string, found an array");
    refused("input_extra", "a", "expected an array");
    refused("input_extra", {1}, "found 1");
    refused("input_extra", json::array({json{{"text", 1}}}), "a string");
    refused("input_extra", json::array({json{{"text", "a"}, {"filename", 1}}}), "filename");
    refused("n_indent", -1, "0");
    refused("n_cmpl", 0, "from 1 to 16");
    refused("response_fields", 3, "strings");

    served gpt2({"<|endoftext|>"});
    CHECK(
        has(gpt2.post("/infill", missing_middle())->refused(501, "not_supported_error"), "prefix, suffix and middle"));
    served half({"<|endoftext|>", "<fim_prefix>", "<fim_middle>"});
    CHECK(has(half.post("/infill", missing_middle())->refused(501, "not_supported_error"), "lacks: suffix"));
    CHECK(s.engine.jobs.empty());
}
