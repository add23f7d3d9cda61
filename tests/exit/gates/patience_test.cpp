// SPDX-License-Identifier: MIT
#include <earlyout/exit/gates/patience.hpp>

#include <vector>

#include "exit/exit_walk.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using eo::decision;
using support::exit_walk;

namespace {

/// Logits with the given arg-maxes, of four tokens.
exit_walk::rows logits_of(const std::vector<std::size_t>& tokens) {
    exit_walk::rows rows;
    for (const std::size_t token : tokens) {
        rows.emplace_back(4, 0.5f);
        rows.back()[token] = 1.0f;
    }
    return rows;
}

/// Returns the layers at which the gate decides exit.
std::vector<std::size_t> exits(const std::vector<std::size_t>& tokens, unsigned exits_in_a_row) {
    exit_walk token(logits_of(tokens));
    const std::vector<decision> made = token.ask(eo::patience{.exits_in_a_row = exits_in_a_row});
    CHECK(token.heads_run() == tokens.size());
    std::vector<std::size_t> layers;
    for (std::size_t i = 0; i < made.size(); ++i) {
        if (made[i] == decision::exit) layers.push_back(i + 1);
    }
    return layers;
}

using layers = std::vector<std::size_t>;

}  // namespace

TEST_CASE("patience exits when the arg-max stayed the same over n further exits", "[exit][patience]") {
    const std::vector<std::size_t> tokens{2, 1, 1, 1, 3, 3, 1};
    CHECK(exits(tokens, 0) == layers{1, 2, 3, 4, 5, 6, 7});
    CHECK(exits(tokens, 1) == layers{3, 4, 6});
    CHECK(exits(tokens, 2) == layers{4});
    CHECK(exits(tokens, 3).empty());
    // Token 0 is a token like any other, at the first exit too.
    CHECK(exits({0, 0, 0}, 1) == layers{2, 3});
    CHECK(exits({0, 0, 0}, 2) == layers{3});
}

TEST_CASE("patience equals a plain count on random arg-maxes", "[exit][patience]") {
    support::random_source random(1);
    for (int repeat = 0; repeat < 50; ++repeat) {
        std::vector<std::size_t> tokens(12);
        for (std::size_t& token : tokens) token = random.index(2);
        for (const unsigned wanted : {1u, 2u, 4u}) {
            layers expected;
            for (std::size_t i = wanted; i < tokens.size(); ++i) {
                std::size_t same = 0;
                while (same < wanted && tokens[i - same - 1] == tokens[i]) ++same;
                if (same == wanted) expected.push_back(i + 1);
            }
            CHECK(exits(tokens, wanted) == expected);
        }
    }
}

TEST_CASE("patience starts again with each token", "[exit][patience]") {
    exit_walk token(logits_of({1, 1, 1}));
    const eo::patience gate{.exits_in_a_row = 2};
    const std::vector expected{decision::go_on, decision::go_on, decision::exit};
    CHECK(token.ask(gate) == expected);
    CHECK(token.ask(gate) == expected);
}
