// SPDX-License-Identifier: MIT
#include "serve/infill_prompt.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

#include "serve/served.hpp"
#include "support/catch.hpp"

using serve::json;
using support::has;
using support::missing_middle;
using support::served;

TEST_CASE("the order of the parts is the model's, or that of a setting", "[serve][infill]") {
    served s;
    const auto prompt = [&](const char* order) {
        s.facts.fim_order = order;
        s.load();
        s.engine.jobs.clear();
        CHECK(s.post("/infill", missing_middle("p", "t", "s"))->status == 200);
        return s.prompt();
    };
    CHECK(prompt("auto") == "<|fim_prefix|>pt<|fim_suffix|>s<|fim_middle|>");
    CHECK(prompt("suffix-first") == "<|fim_suffix|>s<|fim_prefix|>pt<|fim_middle|>");
    CHECK(prompt("after-middle") == "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>t");

    served codestral({"</s>", "[SUFFIX]", "[PREFIX]", "[MIDDLE]"});
    CHECK(codestral.post("/infill", missing_middle("p", "t", "s"))->status == 200);
    CHECK(codestral.prompt() == "[SUFFIX]s[PREFIX]pt");
    served star({"<|endoftext|>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>"});
    json asked = missing_middle("p", "t", "s");
    asked["input_extra"] = json::array({json{{"text", "e"}}});
    CHECK(star.post("/infill", asked)->status == 200);
    CHECK(star.prompt() == "\n\n--- snippet ---\n\ne<fim_prefix>pt<fim_suffix>s<fim_middle>");
}

TEST_CASE("texts are cut to what a batch and the context hold", "[serve][infill]") {
    served s(support::qwen_tokens, 1000);
    s.facts.n_batch = 400;
    s.load();
    json asked = missing_middle(std::string(1000, 'p'), "tt", std::string(1000, 's'));
    asked["n_predict"] = 100;
    asked["input_extra"] = {{{"text", std::string(900, 'e')}}, {{"text", std::string(200, 'f')}}};
    CHECK(s.post("/infill", asked)->status == 200);
    const std::string prompt = s.prompt();
    const auto count = [&](char c) { return std::count(prompt.begin(), prompt.end(), c); };
    CHECK(has(prompt, "<|fim_prefix|>" + std::string(300, 'p') + "tt<|fim_suffix|>" + std::string(96, 's') + "<|"));
    CHECK(count('f') >= 200);  // the nearer chunk whole, the other cut
    CHECK(count('e') > 100);
    CHECK(s.engine.jobs[0].prompt.size() == 900);
    // A context smaller than a batch leaves room for a completion.
    served tiny(support::qwen_tokens, 64);
    CHECK(tiny.post("/infill", missing_middle(std::string(1000, 'p'), "tt", std::string(1000, 's')))->status == 200);
    CHECK(tiny.engine.jobs[0].prompt.size() <= 48);
    CHECK(has(tiny.prompt(), "tt<|fim_suffix|>s"));
    const auto too_long = tiny.post("/infill", missing_middle("", std::string(100, 't'), ""));
    CHECK(too_long->refused(400, "exceed_context_size_error") != "");
    CHECK(too_long->object()["error"]["n_ctx"] == 64);
    CHECK(too_long->object()["error"]["n_prompt_tokens"] == 103);
}

TEST_CASE("a suffix before what is typed stays the same while a line is typed", "[serve][infill]") {
    for (const char* order : {"suffix-first", "after-middle"}) {
        served s(support::qwen_tokens, 1000);
        s.facts.n_batch = 400;
        s.facts.fim_order = order;
        s.load();
        const auto kept = [&](std::size_t typed) {
            s.engine.jobs.clear();
            const json asked = missing_middle("p", std::string(typed, 't'), std::string(1000, 's'));
            CHECK(s.post("/infill", asked)->status == 200);
            const std::string prompt = s.prompt();
            return std::count(prompt.begin(), prompt.end(), 's');
        };
        const auto all = kept(0);
        CHECK(all > 80);
        CHECK(kept(1) == all);
        CHECK(kept(8) == all);
        CHECK(kept(60) < all);
        CHECK(kept(60) >= all - 60 - 13);
    }
}

TEST_CASE("a prefix that is cut begins at the same place while lines are typed", "[serve][infill]") {
    served s(support::qwen_tokens, 1000);
    s.facts.n_batch = 400;
    s.load();
    std::string text;
    for (std::uint32_t i = 0; i < 1200; ++i) text += static_cast<char>('a' + (i * i * 2654435761u >> 20) % 26);
    std::size_t changes = 0;
    std::size_t before = 0;
    for (std::size_t end = 600; end <= 1200; end += 10) {
        s.engine.jobs.clear();
        CHECK(s.post("/infill", missing_middle(text.substr(0, end), "tt", ""))->status == 200);
        const std::string prompt = s.prompt();
        const std::size_t from = std::string("<|fim_prefix|>").size();
        const std::size_t size = prompt.find("tt<|fim_suffix|>") - from;
        CHECK(prompt.substr(from, size) == text.substr(end - size, size));
        CHECK(size <= 300);
        CHECK(size > 250);
        if (end - size != before) ++changes;
        before = end - size;
    }
    CHECK(changes < 40);  // of 61, each of which moves it by 10 tokens of a reach of 50
}

TEST_CASE("a limit on the prompt's time omits what is farthest from the cursor", "[serve][infill]") {
    served s;
    json asked = missing_middle(std::string(100, 'p'), "tt", std::string(50, 's'));
    asked["input_extra"] = {{{"text", "one"}}, {{"text", "two"}}};
    asked["t_max_prompt_ms"] = 100;
    const auto omitted = [&] {
        const json reply = s.post("/infill", asked)->object();
        return reply["timings"].value("omitted", json());
    };
    CHECK(omitted().is_null());  // speed unknown
    s.engine.token_seconds = 0.0001;
    CHECK(omitted().is_null());         // time for 1000
    s.engine.token_seconds = 0.000523;  // for 191
    CHECK(omitted() == json{{"extra_tokens", 8}, {"prefix_tokens", 0}, {"suffix_tokens", 0}});
    CHECK_FALSE(has(s.prompt(s.engine.jobs.size() - 1), "one"));
    CHECK(has(s.prompt(s.engine.jobs.size() - 1), "two"));
    s.engine.token_seconds = 0.001;  // for 100
    CHECK(omitted() == json{{"extra_tokens", 16}, {"prefix_tokens", 64}, {"suffix_tokens", 0}});
    s.engine.token_seconds = 0.01;  // for 10
    CHECK(omitted() == json{{"extra_tokens", 16}, {"prefix_tokens", 100}, {"suffix_tokens", 45}});
    CHECK(s.prompt(s.engine.jobs.size() - 1) == "<|fim_prefix|>tt<|fim_suffix|>sssss<|fim_middle|>");
    // A start that is reused stays.
    s.engine.reusable = [](const auto&) { return std::size_t{130}; };
    s.engine.token_seconds = 0.002;  // for 50
    CHECK(omitted() == json{{"extra_tokens", 0}, {"prefix_tokens", 0}, {"suffix_tokens", 12}});
    s.engine.token_seconds = 0.01;
    s.engine.reusable = [](const auto& ids) { return ids.size(); };
    CHECK(omitted().is_null());  // all of it is there already
    s.engine.reusable = [](const auto&) { return std::size_t{0}; };
    asked["t_max_prompt_ms"] = 0;
    CHECK(omitted().is_null());
}
