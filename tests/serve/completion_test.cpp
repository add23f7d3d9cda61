// SPDX-License-Identifier: MIT
// POST /completion.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "serve/requests.hpp"
#include "serve/served.hpp"
#include "support/catch.hpp"

using serve::json;
using support::has;
using support::served;

TEST_CASE("absent options are llama.cpp's, with a fixed seed", "[serve][completion]") {
    served s;
    const json reply = s.post("/completion", {{"prompt", "a<|im_end|>"}})->object();
    CHECK(reply["content"] == "1\n");
    CHECK(reply["index"] == 0);
    CHECK(reply["id_slot"] == -1);
    CHECK(reply["prompt"] == "a<|im_end|>");
    CHECK(s.engine.jobs[0].prompt == serve::token_ids{64, 263});  // special tokens are parsed
    const auto& o = s.engine.jobs[0].options;
    CHECK(o.temperature == 0.8f);
    CHECK(o.top_k == 40);
    CHECK(o.top_p == 0.95f);
    CHECK(o.min_p == 0.05f);
    CHECK(o.repetition_penalty == 1.0f);
    CHECK(o.seed == 0);
    using filter = earlyout::sample_filter;
    CHECK(o.filters ==
          std::vector<filter>{filter::penalties, filter::top_k, filter::top_p, filter::min_p, filter::temperature});
    CHECK(o.max_new_tokens == 4096);  // until the context is full
    CHECK(reply["generation_settings"]["samplers"] == json{"penalties", "top_k", "top_p", "min_p", "temperature"});
    CHECK(reply["generation_settings"]["n_predict"] == -1);
}

TEST_CASE("options are applied", "[serve][completion]") {
    served s;
    const json asked = json::parse(R"({"prompt":[64,"b<|im_end|>",65],"n_predict":7,"temperature":0,"top_k":-1,
        "top_p":1,"min_p":0,"repeat_penalty":1.5,"repeat_last_n":-1,"seed":7.0,"stop":["x",""],"samplers":"ktx",
        "cache_prompt":false,"id_slot":5,"n_probs":2,"logit_bias":[[64,1.5],["ab",-1],[66,false]],
        "ignore_eos":true,"exit_policy":"margin(0.5) @ 2","draft":"suffix","lora":[],"n_keep":3,"unknown":1})");
    const auto reply = s.post("/completion", asked);
    CHECK(reply->status == 200);
    const auto& job = s.engine.jobs[0];
    CHECK(job.prompt == serve::token_ids{64, 65, 263, 65});
    CHECK(job.options.max_new_tokens == 7);
    CHECK(job.options.temperature == 0.0f);
    CHECK(job.options.top_k == 0);
    CHECK(job.options.repetition_penalty == 1.5f);
    CHECK(job.options.seed == 7);
    CHECK(job.options.stop_strings == std::vector<std::string>{"x"});
    using filter = earlyout::sample_filter;
    CHECK(job.options.filters == std::vector<filter>{filter::top_k, filter::temperature});
    CHECK_FALSE(job.reuse_prefix);
    CHECK(job.slot == 1u);  // 5 of 2 slots
    CHECK(job.top_tokens == 2);
    CHECK(job.policy == "margin(0.5) @ 2");
    CHECK(job.drafts == "suffix");
    REQUIRE(job.logit_bias.size() == 5);
    CHECK(job.logit_bias[1].id == 64);
    CHECK(job.logit_bias[2].log_probability == -1.0f);
    const float never = -std::numeric_limits<float>::infinity();
    CHECK(job.logit_bias[3].log_probability == never);
    CHECK(job.logit_bias[4].id == 256);
    CHECK(job.logit_bias[4].log_probability == never);
    const json probabilities = reply->object()["completion_probabilities"];
    REQUIRE(probabilities.size() == 2);
    CHECK(probabilities[0]["token"] == "1");
    CHECK(probabilities[0]["bytes"] == json::array({49}));
    CHECK(probabilities[0]["top_logprobs"].size() == 2);

    CHECK(s.post("/completion", {{"prompt", "a"}, {"logit_bias", {{"64", -100}, {"ab", false}}}})->status == 200);
    CHECK(s.engine.jobs[1].logit_bias.size() == 3);
    CHECK(s.post("/completion", {{"prompt", "a"}, {"seed", -1}, {"samplers", json::array()}})->status == 200);
    CHECK(s.engine.jobs[2].options.filters.empty());
    CHECK(s.engine.jobs[2].options.temperature == 1.0f);

    CHECK(s.post("/completion", {{"prompt", {{"prompt_string", "ab"}}}})->status == 200);
    CHECK(s.engine.jobs[3].prompt == serve::token_ids{64, 65});
    CHECK(s.post("/completion", {{"prompt", "a"}, {"response_fields", json::array()}})->object()["content"] == "1\n");
}

TEST_CASE("an array of prompts is answered by an array", "[serve][completion]") {
    served s;
    const json many = s.post("/completion", {{"prompt", {"a", "bb"}}})->object();
    REQUIRE(many.is_array());
    CHECK(many.size() == 2);
    CHECK(many[1]["tokens_evaluated"] == 2);
    CHECK(s.post("/completions", {{"prompt", json::array({"a"})}})->object().is_array());
    CHECK(s.post("/completion", {{"prompt", {64, 65}}})->object().is_object());
    CHECK(s.post("/completion", {{"prompt", {{64, 65}, "a", {"b", 66}}}})->object().size() == 3);
    CHECK(s.engine.jobs.back().prompt == serve::token_ids{65, 66});
}

TEST_CASE("a prompt begins with what precedes every text, once", "[serve][completion]") {
    served s;
    s.words = s.words.with_tokens_before({256});
    s.load();
    const auto ids = [&](const json& prompt) {
        CHECK(s.post("/completion", {{"prompt", prompt}})->status == 200);
        return s.engine.jobs.back().prompt;
    };
    CHECK(ids("a") == serve::token_ids{256, 64});
    CHECK(ids("<|endoftext|>a") == serve::token_ids{256, 64});
    CHECK(ids("") == serve::token_ids{256});
    CHECK(ids(json::array({64})) == serve::token_ids{64});
    CHECK(ids(json::array({"a", 65, "b"})) == serve::token_ids{256, 64, 65, 65});
}

TEST_CASE("a stream is a list of events, the last with everything", "[serve][completion]") {
    served s;
    s.engine.script = "a\xc3\xa9z";
    const auto reply = s.post("/completion", {{"prompt", "a"}, {"stream", true}});
    CHECK(reply->type == "text/event-stream");
    const auto events = reply->stream();
    REQUIRE(events.size() == 4);
    CHECK(events[0]["content"] == "a");
    CHECK(events[0]["tokens"] == json::array({64}));
    CHECK(events[0]["stop"] == false);
    CHECK(events[1]["content"] == "\xc3\xa9");
    CHECK(events[1]["tokens"].size() == 2);
    REQUIRE(events[0]["steps"].size() == 1);
    CHECK(events[0]["steps"][0] == json{{"text", "a"}, {"exit_layer", 2}, {"drafted", false}});
    REQUIRE(events[1]["steps"].size() == 2);
    CHECK(events[1]["steps"][0] == json{{"text", ""}, {"exit_layer", 2}, {"drafted", true}});
    CHECK(events[1]["steps"][1] == json{{"text", "\xc3\xa9"}, {"exit_layer", 2}, {"drafted", false}});
    CHECK(events[3]["content"] == "");
    CHECK(events[3]["stop"] == true);
    CHECK(events[3]["tokens_predicted"] == 4);
    CHECK(events[3].contains("timings"));
    CHECK(reply->notes["new_tokens"] == 4);

    const auto both = s.post("/completion", {{"prompt", {"a", "b"}}, {"stream", true}})->stream();
    CHECK(both.size() == 8);
    CHECK(both.back()["index"] == 1);
}

TEST_CASE("Continue's request is streamed", "[serve][completion]") {
    served s;
    const auto reply = s.ask("POST", "/completion", R"({"prompt":"a","stream":true,"n_predict":32,
        "frequency_penalty":0,"presence_penalty":0,"min_p":0.05,"mirostat":0,"stop":["\n"],"top_k":20,"top_p":0.9,
        "temperature":0.1})");
    const auto events = reply->stream();
    REQUIRE(events.size() == 2);
    CHECK(events[0]["content"] == "1");
    CHECK(events[1]["stop_type"] == "word");
    CHECK(events[1]["stopping_word"] == "\n");
}

TEST_CASE("how a completion ended", "[serve][completion]") {
    served s;
    const auto ended = [&](const json& more) {
        json asked{{"prompt", "a"}};
        asked.update(more);
        return s.post("/completion", asked)->object();
    };
    CHECK(ended(json::object())["stop_type"] == "eos");
    CHECK(ended({{"n_predict", 1}})["stop_type"] == "limit");
    CHECK(ended({{"stop", {"y", "\n"}}})["stopping_word"] == "\n");
    CHECK(ended({{"stop", {"y", "\n"}}})["content"] == "1");
    CHECK(ended({{"return_tokens", true}})["tokens"].size() == 2);
    CHECK(ended({{"n_predict", 0}})["content"] == "");
    s.engine.ends = false;
    CHECK(ended(json::object())["truncated"] == true);
    CHECK(ended(json::object())["stop_type"] == "limit");
}

TEST_CASE("a text that is no UTF-8 still makes valid JSON", "[serve][completion]") {
    served s;
    s.engine.script = "a\xff\xc3";
    const auto reply = s.post("/completion", {{"prompt", "a"}, {"n_probs", 1}});
    CHECK(reply->object()["content"] == "a\xef\xbf\xbd\xef\xbf\xbd");
    CHECK_FALSE(s.post("/completion", {{"prompt", "a"}, {"stream", true}})->stream().empty());
}

TEST_CASE("what the engine refuses or fails at is an error without the host's folders", "[serve][completion]") {
    served s;
    const std::string sentence =
        s.post("/completion", {{"prompt", "a"}, {"exit_policy", "nonsense"}})->refused(400, "invalid_request_error");
    CHECK(sentence == "exits.safetensors: policy: expected a known gate, found nonsense");
    s.engine.failure = "/models/m.gguf: not enough memory";
    CHECK(s.post("/completion", {{"prompt", "a"}})->refused(500, "server_error") == "m.gguf: not enough memory");
    const auto stream = s.post("/completion", {{"prompt", "a"}, {"stream", true}});
    CHECK(stream->refused(500, "server_error") != "");
    CHECK(s.post("/completion", {{"prompt", std::string(5000, 'a')}})->refused(400, "exceed_context_size_error") != "");
}

TEST_CASE("a limit on the prompt's time omits its start", "[serve][completion]") {
    served s;
    s.engine.token_seconds = 0.001;
    const json reply = s.post("/completion", {{"prompt", "0123456789"}, {"t_max_prompt_ms", 4}})->object();
    CHECK(reply["prompt"] == "6789");
    CHECK(reply["timings"]["omitted"]["prefix_tokens"] == 6);
}

TEST_CASE("each unsupported field is refused by name, and accepted where it changes nothing",
          "[serve][completion][refused]") {
    served s;
    const auto refused = [&](const char* name, const json& value) {
        const std::string sentence =
            s.post("/completion", {{"prompt", "a"}, {name, value}})->refused(400, "not_supported_error");
        CAPTURE(name, value.dump(), sentence);
        CHECK(has(sentence, name));
    };
    const auto accepted = [&](const char* name, const json& value) {
        CAPTURE(name, value.dump());
        CHECK(s.post("/completion", {{"prompt", "a"}, {name, value}})->status == 200);
    };
    for (const char* const name : {"frequency_penalty", "presence_penalty", "mirostat", "xtc_probability",
                                   "dry_multiplier", "dynatemp_range", "min_keep"}) {
        refused(name, 1.5);
        accepted(name, 0);
        accepted(name, nullptr);
    }
    refused("typical_p", 0.5);
    accepted("typical_p", 1.0);
    refused("top_n_sigma", 1);
    accepted("top_n_sigma", -1);
    refused("adaptive_target", 0.5);
    accepted("adaptive_target", -1);
    refused("post_sampling_probs", true);
    accepted("post_sampling_probs", false);
    refused("grammar", "root ::= a");
    accepted("grammar", "");
    refused("json_schema", {{"type", "object"}});
    refused("response_format", {{"type", "json_object"}});
    accepted("response_format", {{"type", "text"}});
    refused("lora", json::array({json{{"id", 0}}}));
    refused("speculative.n_max", 4);
    refused("speculative", {{"n_max", 4}});
    refused("image_data", json::array({1}));
    refused("timings_per_token", true);
    accepted("mirostat_tau", 5.0);
    accepted("xtc_threshold", 0.1);
    accepted("dry_base", 1.75);
    accepted("repeat_last_n", 64);
    const auto penalty = s.post("/completion", {{"prompt", "a"}, {"repeat_penalty", 1.1}, {"repeat_last_n", 64}});
    CHECK(has(penalty->refused(400, "not_supported_error"), "repeat_last_n"));
}

TEST_CASE("wrong values are refused by name", "[serve][completion][errors]") {
    served s;
    const auto refused = [&](const char* name, const json& value, const char* words) {
        json asked{{"prompt", "a"}};
        asked[name] = value;
        const std::string sentence = s.post("/completion", asked)->refused(400, "invalid_request_error");
        CAPTURE(name, value.dump(), sentence);
        CHECK(has(sentence, name));
        CHECK(has(sentence, words));
    };
    refused("prompt", nullptr, "found none");
    refused("prompt", "", "at least one token");
    refused("prompt", 3, "found 3");
    refused("prompt", json::array(), "empty array");
    refused("prompt", json{{"text", "a"}}, "an object");
    refused("prompt", json{{"prompt_string", json{{"prompt_string", "a"}}}}, "an object");
    refused("prompt", {-1}, "found -1");
    refused("prompt", {64, true}, "true in the array");
    refused("temperature", -1, "from 0");
    refused("temperature", "hot", "found a string");
    refused("top_p", 1.5, "from 0 to 1");
    refused("top_k", 1.5, "an integer");
    refused("seed", -2, ">= -1");
    refused("stop", 3, "a string or an array of strings");
    refused("stop", {1}, "strings in the array");
    refused("stream", "yes", "true or false");
    refused("samplers", {"mirostat"}, "'mirostat'");
    refused("samplers", "kq", "'q'");
    refused("samplers", {1}, "strings in the array");
    refused("logit_bias", 3, "found 3");
    refused("logit_bias", json::array({json::array({99999, 1})}), "99999");
    refused("logit_bias", json::array({json::array({64, "a"})}), "a number or false");
    refused("logit_bias", {{"64", true}}, "a number or false");
    refused("n_probs", 1000, "from 0 to 100");
    refused("n_predict", "1", "an integer");
    refused("id_slot", -2, ">= -1");
    refused("exit_policy", 3, "a string");
    refused("draft", 3, "a string");
    CHECK(s.engine.jobs.empty());
}
