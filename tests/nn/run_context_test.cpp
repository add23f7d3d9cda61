// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/nn/run_context.hpp>

#include <cstddef>
#include <vector>

#include "support/catch.hpp"
#include "support/forward_pass.hpp"
#include "support/random.hpp"
#include "support/random_network.hpp"

namespace eo = earlyout;

namespace {

/// Records its arguments.
struct asked {
    std::size_t* tokens;
    std::size_t* pieces;
    std::size_t scratch_bytes(std::size_t t, std::size_t p) const {
        *tokens = t;
        *pieces = p;
        return 640;
    }
};

}  // namespace

TEST_CASE("a context has the scratch memory that its layers declare", "[nn][run_context]") {
    eo::thread_pool pool(3);
    std::size_t tokens = 0, pieces = 0;
    eo::run_context context(asked{&tokens, &pieces}, 12, pool, 64);
    CHECK(tokens == 12);
    CHECK(pieces == 3 * eo::pieces_per_thread);
    CHECK(context.scratch().capacity() == 704);
    CHECK(context.chunk() == 12);
    CHECK(context.token_list().size() == 12);
    CHECK(&context.threads() == &pool);
    context.run_on(support::one_thread());
    CHECK(context.pieces() == eo::pieces_per_thread);
}

TEST_CASE("a context counts and moves", "[nn][run_context]") {
    eo::run_context context(support::scratch_of{64}, 1, support::one_thread());
    context.count_bytes(5);
    context.count_layer_tokens(2);
    eo::run_context moved = std::move(context);
    moved.count_bytes(6);
    CHECK(moved.work() == eo::work_count{2, 11});
    CHECK(moved.work() - eo::work_count{1, 1} == eo::work_count{1, 10});
    CHECK(moved.work() + eo::work_count{1, 1} == eo::work_count{3, 12});
}

TEST_CASE("an observer sees the rows after each layer", "[nn][run_context]") {
    const auto network = support::random_gpt2({.layers = 3, .d_model = 16, .heads = 2, .vocab = 50, .context = 16}, 3);
    const std::vector<eo::token_id> ids = support::random_source(4).tokens(7, 50);
    support::forward_pass<eo::gpt2<>> stepwise(network, ids, 4);
    std::vector<std::vector<float>> expected;
    for (std::size_t layer = 1; layer <= 3; ++layer) {
        stepwise.run(layer, layer, 0, 7);
        for (std::size_t p = 0; p < 7; ++p) {
            expected.emplace_back(stepwise.hidden(p).begin(), stepwise.hidden(p).end());
        }
    }

    support::forward_pass<eo::gpt2<>> observed(network, ids, 4);
    eo::run_context context(network, 4, support::one_thread());
    std::vector<std::size_t> layers;
    std::size_t seen = 0;
    const auto look = [&](std::size_t layer, std::span<const eo::layer_token> tokens) {
        layers.push_back(layer);
        for (const eo::layer_token& token : tokens) {
            const std::vector<float> row(token.row, token.row + 16);
            CHECK(row == expected[(layer - 1) * 7 + token.position]);
            ++seen;
        }
    };
    context.observe_layers(eo::layer_observer(look));
    network.run_layers(1, 3, observed.tokens(0, 7), context);
    CHECK(layers == std::vector<std::size_t>{1, 1, 2, 2, 3, 3});  // chunks of 4 and 3
    CHECK(seen == expected.size());
    context.observe_layers({});
    observed.cache.truncate(0);
    network.run_layers(1, 3, observed.tokens(0, 7), context);
    CHECK(seen == expected.size());
}
