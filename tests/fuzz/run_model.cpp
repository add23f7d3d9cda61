// SPDX-License-Identifier: MIT
#include "fuzz/run_model.hpp"

#include <earlyout/core/executor.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace fuzz {

namespace eo = earlyout;

namespace {

void run_network(const eo::any_model& model) {
    const eo::model_shape& shape = model.shape();
    eo::inline_executor on;
    eo::kv_cache cache(shape, 3);
    eo::run_context context(model, 2, on);
    std::vector<float> row(shape.d_model), logits(shape.vocab);
    for (std::size_t token = 0; token < shape.vocab; ++token) {
        model.embed(static_cast<eo::token_id>(token), token % shape.context, row.data());
    }
    for (std::size_t position = 0; position < std::min<std::size_t>(3, shape.context); ++position) {
        model.embed(static_cast<eo::token_id>(position % shape.vocab), position, row.data());
        const eo::layer_token token{&cache, position, row.data()};
        model.run_layers(1, shape.layers, {&token, 1}, context);
        model.logits({row.data(), 1, row.size()}, {logits.data(), 1, logits.size()}, context);
    }
}

}  // namespace

void run(const eo::checkpoint& from, eo::any_format format) {
    run_network(eo::any_model::from_checkpoint(from, format));
}

void run(const std::filesystem::path& file) {
    const auto model = eo::io::load<eo::any_model>(file, eo::any_format::as_stored());
    run_network(model.network());
    if (model.has_tokenizer()) (void)model.tokenizer().decode(model.tokenizer().encode("if x<s>:\n 12"));
}

}  // namespace fuzz
