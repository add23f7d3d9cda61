// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SERVE_FAKE_ENGINE_HPP
#define EARLYOUT_TESTS_SERVE_FAKE_ENGINE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serve/engine.hpp"

namespace support {

namespace eo = earlyout;

/// An engine that answers every job with the same text, token by token, and keeps the jobs it was given. It runs them
/// as they are submitted, or when a test wants.
class fake_engine final : public serve::engine {
public:
    explicit fake_engine(const eo::text::tokenizer& words) : words_(words) {}

    std::string script = "1\n";
    bool ends = true;    ///< with an end-of-text token behind the script
    bool waits = false;  ///< until run() is called
    double token_seconds = 0.0;
    std::chrono::milliseconds delay{0};  ///< before each token
    std::string failure;
    std::function<std::size_t(const std::vector<eo::token_id>&)> reusable = [](const auto&) { return 0; };
    std::function<void(std::size_t)> before_token = [](std::size_t) {};
    std::function<void()> before_check = [] {};
    std::vector<serve::job> jobs;  ///< without their callbacks, unless they wait

    void check(const serve::job& wanted) const override {
        before_check();
        eo::check(wanted.options);
        if (wanted.policy == "nonsense") {
            eo::fail(eo::errc::invalid_argument, "/home/user/models/m/exits.safetensors",
                     ": policy: expected a known gate, found nonsense");
        }
    }
    void submit(serve::job wanted) override {
        if (wanted.shorten) {
            const auto count = [&](std::span<const eo::token_id> ids) {
                return wanted.reuse_prefix ? reusable({ids.begin(), ids.end()}) : 0;
            };
            wanted.prompt = wanted.shorten({token_seconds, count});
        }
        jobs.push_back(std::move(wanted));
        if (!waits) run(jobs.size() - 1);
    }
    void run(std::size_t index) {
        serve::job one = std::exchange(jobs[index], without_callbacks(jobs[index]));
        one.on_end(complete(one));
    }
    [[nodiscard]] std::size_t slots() const override { return 2; }
    [[nodiscard]] std::vector<serve::slot_state> slot_states() const override {
        return {{0, true, 5, 2, 7}, {1, waits, 0, 0, 0}};
    }
    [[nodiscard]] serve::engine_counts counts() const override {
        serve::engine_counts made;
        made.prompt_tokens = 10;
        made.prompt_seconds = 2.0;
        made.reused_tokens = 7;
        return made;
    }

private:
    static serve::job without_callbacks(const serve::job& of) {
        serve::job made = of;
        made.on_token = nullptr;
        made.on_end = nullptr;
        return made;
    }

    serve::outcome complete(const serve::job& one) const {
        serve::outcome made;
        made.error = failure;
        made.policy = one.policy.empty() ? "last()" : one.policy;
        made.stats.layers = 4;
        made.stats.prompt_tokens = one.prompt.size();
        made.stats.reused_tokens = one.reuse_prefix ? reusable(one.prompt) : 0;
        made.stats.prefill_seconds = 0.5;
        made.stats.exit_histogram = {0, 0, 1, 0, 1};
        if (one.prefill_only || !failure.empty()) return made;
        made.reason = ends ? eo::finish_reason::end_of_text : eo::finish_reason::context_full;
        auto decoder = words_.continuation_stream();
        for (const eo::token_id id : words_.encode(script, {.special_tokens = false, .continues = true})) {
            before_token(made.ids.size());
            if (delay.count() != 0) std::this_thread::sleep_for(delay);
            if (one.options.cancel.stop_requested()) {
                made.reason = eo::finish_reason::cancelled;
                break;
            }
            serve::new_token token{id, made.ids.size(), std::string(decoder.push(id)), -0.5f, 2, false, {}};
            token.drafted = token.index % 2 == 1;
            for (std::size_t i = 0; i < one.top_tokens; ++i) token.top.push_back({static_cast<eo::token_id>(i), -1.0f});
            made.ids.push_back(id);
            const std::size_t before = made.text.size();
            made.text += token.piece;
            std::size_t stop = std::string::npos;
            for (const std::string& s : one.options.stop_strings) stop = std::min(stop, made.text.find(s));
            if (stop != std::string::npos) {
                // Stop strings of one token each are all that tests need.
                made.text.resize(stop);
                token.piece = made.text.substr(std::min(before, stop));
                made.reason = eo::finish_reason::stop_string;
            }
            const bool goes_on = one.on_token(token) == eo::flow::proceed;
            if (made.reason == eo::finish_reason::stop_string) break;
            if (!goes_on) made.reason = eo::finish_reason::callback;
            if (!goes_on) break;
            if (made.ids.size() == one.options.max_new_tokens) {
                made.reason = eo::finish_reason::max_new_tokens;
                break;
            }
        }
        made.unstreamed = decoder.finish();
        made.text += made.unstreamed;
        made.stats.new_tokens = made.ids.size();
        made.stats.decode_seconds = 0.25;
        return made;
    }

    const eo::text::tokenizer& words_;
};

}  // namespace support

#endif
