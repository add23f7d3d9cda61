// SPDX-License-Identifier: MIT
// Self-speculation needs only stored hidden states and rollback: draft with the first layers, verify with the rest.
#include <earlyout/core/executor.hpp>
#include <earlyout/generate/pending.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/generate/session.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

namespace {

eo::token_id best(const eo::sequence& tokens, std::size_t position, eo::run_context& context) {
    const std::vector<float> logits = support::logits_of(small_network(), tokens.hidden_state(position), context);
    return static_cast<eo::token_id>(std::ranges::max_element(logits) - logits.begin());
}

struct speculation {
    ids made;
    std::size_t accepted = 0;
};

speculation speculate(const ids& prompt, std::size_t count, std::size_t draft_layers, std::size_t draft_length) {
    eo::inline_executor on;
    eo::run_context context(small_network(), 16, on);
    eo::sequence tokens(small_network().shape(), 64);
    speculation s;
    for (const eo::token_id id : prompt) tokens.push(small_network(), id);
    (void)eo::run_pending(small_network(), 1, 6, tokens, context);
    s.made.push_back(best(tokens, tokens.size() - 1, context));
    while (s.made.size() < count) {
        // Draft: each token runs through the first layers only, and stays pending there.
        const std::size_t begin = tokens.size();
        eo::token_id next = s.made.back();
        for (std::size_t i = 0; i < draft_length; ++i) {
            tokens.push(small_network(), next);
            (void)eo::run_pending(small_network(), 1, draft_layers, tokens, context);
            next = best(tokens, tokens.size() - 1, context);
        }
        // Verify: the rest of the layers for all of them in one block.
        (void)eo::run_pending(small_network(), draft_layers + 1, 6, tokens, context);
        for (std::size_t p = begin; p < begin + draft_length; ++p) {
            const eo::token_id truth = best(tokens, p, context);
            s.made.push_back(truth);
            const bool drafted = p + 1 < tokens.size() && tokens.ids()[p + 1] == truth;
            if (!drafted) {
                tokens.rollback(p + 1);
                break;
            }
            ++s.accepted;
        }
    }
    s.made.resize(count);
    return s;
}

}  // namespace

TEST_CASE("drafting with the first layers gives the greedy output exactly", "[generate][self_speculation]") {
    std::mt19937 engine(1);
    std::size_t accepted = 0;
    for (int round = 0; round < 4; ++round) {
        const ids prompt = random_prompt(engine, 5 + static_cast<std::size_t>(round) * 3);
        eo::session greedy{small_network()};
        const ids expected = greedy.complete(prompt, {.max_new_tokens = 30}).ids;
        for (const std::size_t layers : {std::size_t{1}, std::size_t{3}, std::size_t{5}}) {
            for (const std::size_t length : {std::size_t{1}, std::size_t{4}}) {
                INFO("drafts of " << length << " with " << layers << " layers");
                const speculation s = speculate(prompt, 30, layers, length);
                CHECK(s.made == expected);
                accepted += s.accepted;
            }
        }
    }
    CHECK(accepted > 0);
}
