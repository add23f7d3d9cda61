// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_FUZZ_RUN_MODEL_HPP
#define EARLYOUT_TESTS_FUZZ_RUN_MODEL_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/models/any_model.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace fuzz {

/// Embeds every token, and runs a few through all layers: exercises the memory that a file's sizes and weights lead to.
inline void run(const earlyout::any_model& model) {
    const earlyout::model_shape& shape = model.shape();
    earlyout::inline_executor on;
    earlyout::kv_cache cache(shape, 3);
    earlyout::run_context context(model, 2, on);
    std::vector<float> row(shape.d_model), logits(shape.vocab);
    for (std::size_t token = 0; token < shape.vocab; ++token) {
        model.embed(static_cast<earlyout::token_id>(token), token % shape.context, row.data());
    }
    for (std::size_t position = 0; position < std::min<std::size_t>(3, shape.context); ++position) {
        model.embed(static_cast<earlyout::token_id>(position % shape.vocab), position, row.data());
        const earlyout::layer_token token{&cache, position, row.data()};
        model.run_layers(1, shape.layers, {&token, 1}, context);
        model.logits({row.data(), 1, row.size()}, {logits.data(), 1, logits.size()}, context);
    }
}

}  // namespace fuzz

#endif
