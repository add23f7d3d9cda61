// SPDX-License-Identifier: MIT
#include <earlyout/nn/layer_stack.hpp>

#include <earlyout/core/executor.hpp>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

/// Notes the tokens that come, and adds its layer's number to each row.
struct noting_block {
    std::vector<std::pair<std::size_t, std::size_t>>* seen;
    std::size_t scratch = 0;

    void operator()(std::size_t layer, std::span<const eo::layer_token> tokens, eo::run_context&) const {
        seen->emplace_back(layer, tokens.size());
        for (const eo::layer_token& token : tokens) *token.row += static_cast<float>(layer);
    }
    void update_kv_only(std::size_t layer, std::span<const eo::layer_token> tokens, eo::run_context&) const {
        seen->emplace_back(100 + layer, tokens.size());
    }
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens, std::size_t) const noexcept { return scratch * tokens; }
};

}  // namespace

TEST_CASE("tokens pass layers in chunks, counted and observed", "[nn][layer_stack]") {
    std::vector<std::pair<std::size_t, std::size_t>> seen;
    const eo::layer_stack stack(std::vector{noting_block{&seen, 8}, noting_block{&seen, 64}, noting_block{&seen, 8}});
    CHECK(stack.layers() == 3);
    CHECK(stack.scratch_bytes(4, 1) == 256);
    eo::inline_executor on;
    eo::run_context context(stack, 2, on);
    std::vector<float> rows(5);
    std::vector<eo::layer_token> tokens;
    for (std::size_t i = 0; i < rows.size(); ++i) tokens.push_back({nullptr, i, &rows[i]});
    std::size_t observed = 0;
    const auto observer = [&](std::size_t, std::span<const eo::layer_token> chunk) { observed += chunk.size(); };
    context.observe_layers(eo::layer_observer(observer));
    stack.run_layers(2, 3, tokens, context);
    CHECK(seen == std::vector<std::pair<std::size_t, std::size_t>>{{2, 2}, {2, 2}, {2, 1}, {3, 2}, {3, 2}, {3, 1}});
    CHECK(rows == std::vector<float>(5, 5.0f));
    CHECK(context.work().layer_tokens == 10);
    CHECK(observed == 10);
    seen.clear();
    stack.update_kv_only(1, 1, tokens, context);
    CHECK(seen == std::vector<std::pair<std::size_t, std::size_t>>{{101, 2}, {101, 2}, {101, 1}});
    CHECK(rows == std::vector<float>(5, 5.0f));
    CHECK(context.work().layer_tokens == 10);
}
