// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_cache_policy.hpp>
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/gates/budget.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/drafts/any_drafter.hpp>
#include <earlyout/generate/drafts/depth_drafts.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/scheduler.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;

namespace {

using any_policy = eo::any_exit_policy;
using scheduler = eo::scheduler<text_model, any_policy, eo::any_drafter>;
using shared_policy = std::shared_ptr<const any_policy>;
using shared_drafter = std::shared_ptr<const eo::any_drafter>;

/// Policies of every kind, each with what it drafts with.
struct choice {
    shared_policy policy;
    shared_drafter drafter;
};
std::vector<choice> choices() {
    const auto exits = [](eo::any_gate gate, eo::any_head head, eo::any_cache_policy cache) {
        return std::make_shared<any_policy>(
            eo::exit_plan{eo::exit_layers({1, 2, 3, 4, 5}), std::move(gate)}, std::move(head), std::move(cache));
    };
    const auto full = std::make_shared<any_policy>(eo::exit_plan{eo::exit_layers({}), eo::any_gate(eo::never_exit{})});
    const auto none = std::make_shared<eo::any_drafter>();
    const auto suffix = std::make_shared<eo::any_drafter>(eo::suffix_drafts{});
    const auto depth = std::make_shared<eo::any_drafter>(eo::depth_drafts{});
    const hash_gate hash{.seed = 5, .exit_percent = 40, .stop_percent = 1};
    return {{full, none},
            {full, suffix},
            {exits(hash, eo::shared_head{}, eo::defer{}), none},
            {exits(hash, eo::shared_head{}, eo::propagate{}), none},
            {exits(remembering_gate{}, eo::shared_head{}, eo::omit{}), none},
            {exits(hash_gate{}, eo::shared_head{}, eo::defer{.cap = 3, .prefill = eo::prefill::lazy}), none},
            {exits(hash_gate{}, eo::shortlist{9}, eo::defer{}), none},
            {exits(hash_gate{}, eo::shortlist{9, eo::shared_head{}, eo::shortlist_reach::full_depth}, eo::defer{}), none},
            {exits(eo::token_budget{7}, eo::shared_head{}, eo::defer{}), none},
            {exits(hash_gate{}, eo::shared_head{}, eo::defer{}), depth}};
}

eo::generate_options options_of(std::mt19937& engine) {
    eo::generate_options o{.max_new_tokens = 1 + engine() % 20};
    if (engine() % 2 == 0) {
        o.temperature = 0.8f;
        o.top_k = 20;
        o.seed = engine();
    }
    if (engine() % 4 == 0) o.stop_strings = {"ab", "ca"};
    if (engine() % 5 == 0) o.repetition_penalty = 1.3f;
    if (engine() % 5 == 0) {
        o.on_logits = [](std::span<const eo::token_id> ids, std::span<float> logits) {
            logits[static_cast<std::size_t>(ids.back())] -= 2.0f;
        };
    }
    return o;
}

struct observed {
    std::vector<recorded> events;
    std::optional<eo::completion> done;
};

scheduler::job job_of(const ids& prompt, const choice& by, const eo::generate_options& options, observed& into) {
    return {.prompt = prompt,
            .options = options,
            .policy = by.policy,
            .drafter = by.drafter,
            .on_token =
                [&into](const eo::token_event& e) {
                    into.events.emplace_back(e);
                    return eo::flow::proceed;
                },
            .on_end = [&into](const eo::completion& done) { into.done = done; }};
}

observed alone(const text_model& model, const ids& prompt, const choice& by, const eo::generate_options& options) {
    eo::session s{model, *by.policy, *by.drafter};
    observed made;
    made.done = s.complete(prompt, options, [&](const eo::token_event& e) {
        made.events.emplace_back(e);
        return eo::flow::proceed;
    });
    return made;
}

}  // namespace

TEST_CASE("completions that run together are those of sessions", "[generate][scheduler]") {
    const text_model model;
    const std::vector<choice> all = choices();
    std::mt19937 engine(21);
    const std::size_t threads = GENERATE(1u, 2u);
    scheduler together(model, {.sequences = 5, .threads = threads, .block = 7, .max_stall = 1e-9});
    std::vector<ids> prompts;
    for (int round = 0; round < 6; ++round) {
        std::vector<std::unique_ptr<observed>> found;
        std::vector<observed> expected;
        for (int i = 0; i < 12; ++i) {
            ids prompt = random_prompt(engine, 1 + engine() % 40, 90);
            // Many begin as an earlier one did.
            if (!prompts.empty() && engine() % 2 == 0) {
                const ids& earlier = prompts[engine() % prompts.size()];
                std::copy_n(earlier.begin(), std::min(earlier.size(), prompt.size()) * 3 / 4, prompt.begin());
            }
            prompts.push_back(prompt);
            const choice& by = all[engine() % all.size()];
            const eo::generate_options options = options_of(engine);
            expected.push_back(alone(model, prompt, by, options));
            found.push_back(std::make_unique<observed>());
            (void)together.submit(job_of(prompt, by, options, *found.back()));
            for (std::size_t steps = engine() % 4; steps > 0; --steps) (void)together.run();
        }
        while (together.run()) {}
        CHECK(together.running() == 0);
        CHECK(together.waiting() == 0);
        for (std::size_t i = 0; i < found.size(); ++i) {
            INFO("round " << round << ", completion " << i);
            REQUIRE(found[i]->done);
            CHECK(found[i]->events == expected[i].events);
            CHECK(same_output(*found[i]->done, *expected[i].done));
        }
    }
}
