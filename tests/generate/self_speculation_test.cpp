// SPDX-License-Identifier: MIT
// Stash and rollback are all that self-speculation needs: draft with the first layers, verify with the rest.
#include <earlyout/core/executor.hpp>
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

eo::token_id best(eo::sequence<eo::gpt2<>>& tokens, std::size_t position) {
    std::vector<float> logits(small_network().shape().vocab);
    tokens.output(tokens.row(position), logits);
    return static_cast<eo::token_id>(std::ranges::max_element(logits) - logits.begin());
}

struct speculation {
    ids made;
    std::size_t accepted = 0;
};

speculation speculate(const ids& prompt, std::size_t count, std::size_t draft_layers, std::size_t draft_length) {
    eo::inline_executor on;
    eo::sequence<eo::gpt2<>> tokens(small_network(), 64, 16, on);
    speculation s;
    for (const eo::token_id id : prompt) tokens.push(id);
    (void)tokens.climb(1, 6);
    s.made.push_back(best(tokens, tokens.size() - 1));
    while (s.made.size() < count) {
        // Draft: each token passes the first layers only, and waits there in the stash.
        const std::size_t begin = tokens.size();
        eo::token_id next = s.made.back();
        for (std::size_t i = 0; i < draft_length; ++i) {
            tokens.push(next);
            (void)tokens.climb(1, draft_layers);
            next = best(tokens, tokens.size() - 1);
        }
        // Verify: the rest of the layers for all of them in one block.
        (void)tokens.climb(draft_layers + 1, 6);
        for (std::size_t p = begin; p < begin + draft_length; ++p) {
            const eo::token_id truth = best(tokens, p);
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
