// SPDX-License-Identifier: MIT
#include <earlyout/c/earlyout.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace {

constexpr std::string_view prompt = "import os\nimport ";

/// Frees what the C interface makes.
struct owner {
    earlyout_model* model = earlyout_model_load(EARLYOUT_EXAMPLE_MODEL, nullptr);
    earlyout_session* session = nullptr;

    owner() = default;
    owner(const owner&) = delete;
    owner& operator=(const owner&) = delete;
    ~owner() {
        earlyout_session_free(session);
        earlyout_model_free(model);
    }
    bool open(const char* policy, const char* draft = nullptr) {
        earlyout_session_free(session);
        const earlyout_session_options options{.policy = policy, .draft = draft, .capacity = 128, .threads = 1};
        session = earlyout_session_open(model, &options);
        return session != nullptr;
    }
};

struct seen {
    std::string text;
    std::vector<std::int32_t> ids;
    std::size_t stop_after = 1000;
    std::vector<std::size_t> exit_layers;
};

int note(const earlyout_token* token, void* user) {
    auto& so_far = *static_cast<seen*>(user);
    so_far.text.append(token->text, token->text_bytes);
    so_far.ids.push_back(token->id);
    so_far.exit_layers.push_back(token->exit_layer);
    return so_far.ids.size() == so_far.stop_after ? 1 : 0;
}

bool error_has(const char* words) { return std::string_view(earlyout_error()).find(words) != std::string_view::npos; }

}  // namespace

TEST_CASE("a completion through the C interface", "[c]") {
    owner o;
    REQUIRE(o.model != nullptr);
    CHECK(earlyout_model_layers(o.model) == 8);
    REQUIRE(o.open(nullptr));
    seen tokens;
    earlyout_completion made{};
    earlyout_complete_options how{};
    how.max_new_tokens = 12;
    REQUIRE(earlyout_complete(o.session, prompt.data(), prompt.size(), &how, note, &tokens, &made) == 0);
    CHECK(made.token_count == 12);
    CHECK(std::string_view(made.finish_reason) == "max_new_tokens");
    CHECK(made.mean_exit_layer == 8.0);
    CHECK(std::string_view(made.text) == std::string_view(made.text, made.text_bytes));
    CHECK(tokens.text == made.text);
    CHECK(tokens.ids == std::vector<std::int32_t>(made.ids, made.ids + made.token_count));
    CHECK(tokens.exit_layers == std::vector<std::size_t>(12, 8));
    const std::string text = made.text;

    // Drafts change nothing but the time.
    REQUIRE(o.open(nullptr, "suffix"));
    seen drafted;
    REQUIRE(earlyout_complete(o.session, prompt.data(), prompt.size(), &how, note, &drafted, &made) == 0);
    CHECK(made.text == text);

    // A policy with exits is followed, and a callback ends the completion.
    REQUIRE(o.open("fixed @ 2"));
    seen shallow;
    shallow.stop_after = 3;
    REQUIRE(earlyout_complete(o.session, prompt.data(), prompt.size(), nullptr, note, &shallow, &made) == 0);
    CHECK(shallow.ids.size() == 3);
    CHECK(shallow.exit_layers == std::vector<std::size_t>{8, 2, 2});  // the prompt runs through all layers
    CHECK(std::string_view(made.finish_reason) == "callback");

    // Nothing but the session and the prompt is required.
    CHECK(earlyout_complete(o.session, prompt.data(), prompt.size(), nullptr, nullptr, nullptr, nullptr) == 0);
}

TEST_CASE("stop strings and sampling through the C interface", "[c]") {
    owner o;
    REQUIRE(o.open("full-depth"));
    const char* const ends[] = {"\n"};
    earlyout_complete_options how{};
    how.stop_strings = ends;
    how.stop_string_count = 1;
    earlyout_completion made{};
    REQUIRE(earlyout_complete(o.session, prompt.data(), prompt.size(), &how, nullptr, nullptr, &made) == 0);
    CHECK(std::string_view(made.finish_reason) == "stop_string");
    CHECK(std::strchr(made.text, '\n') == nullptr);

    how = {};
    how.temperature = 1.5f;
    std::vector<std::string> texts;
    for (const std::uint64_t seed : {1u, 1u, 2u}) {
        how.seed = seed;
        REQUIRE(earlyout_complete(o.session, prompt.data(), prompt.size(), &how, nullptr, nullptr, &made) == 0);
        texts.emplace_back(made.text);
    }
    CHECK(texts[0] == texts[1]);
    CHECK(texts[0] != texts[2]);
}

TEST_CASE("what fails in the C interface says why", "[c]") {
    CHECK(std::string_view(earlyout_error()).empty());
    CHECK(earlyout_model_load("/no/such/model", nullptr) == nullptr);
    CHECK(error_has("/no/such/model"));
    CHECK(earlyout_model_load(nullptr, nullptr) == nullptr);
    CHECK(error_has("path: expected that of a model, found NULL"));
    CHECK(earlyout_model_load(EARLYOUT_EXAMPLE_MODEL, "int9") == nullptr);
    CHECK(error_has("int9"));
    CHECK(earlyout_session_open(nullptr, nullptr) == nullptr);
    CHECK(error_has("found NULL"));
    owner o;
    CHECK_FALSE(o.open("no-such-gate(0.5) @ 2"));
    CHECK(error_has("no-such-gate"));
    CHECK_FALSE(o.open(nullptr, "no-such-drafter"));
    CHECK(error_has("no-such-drafter"));
    CHECK_FALSE(o.open("fixed @ 9"));
    CHECK(error_has("9"));
    REQUIRE(o.open(nullptr));
    earlyout_complete_options how{};
    how.temperature = -1.0f;
    CHECK(earlyout_complete(o.session, prompt.data(), prompt.size(), &how, nullptr, nullptr, nullptr) == 1);
    CHECK(error_has("temperature: expected a number >= 0, found -1"));
    CHECK(earlyout_complete(o.session, nullptr, 0, nullptr, nullptr, nullptr, nullptr) == 1);
    CHECK(earlyout_complete(nullptr, prompt.data(), prompt.size(), nullptr, nullptr, nullptr, nullptr) == 1);
    // Each thread has its own.
    std::thread([] { CHECK(std::string_view(earlyout_error()).empty()); }).join();
    earlyout_session_free(nullptr);
    earlyout_model_free(nullptr);
    CHECK(std::string_view(earlyout_version()).starts_with("0."));
}
