// SPDX-License-Identifier: MIT
#include <earlyout/exit/heads.hpp>

#include <span>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("the shared head is the model's own output at every layer", "[exit][heads]") {
    const std::vector<float> hidden{1.0f, 2.0f};
    std::vector<float> logits(3);
    int calls = 0;
    const auto output = [&](std::span<const float> from, std::span<float> into) {
        ++calls;
        for (std::size_t i = 0; i < into.size(); ++i) into[i] = static_cast<float>(i) * from[1];
    };
    for (const std::size_t layer : {1u, 7u}) eo::shared_head{}(layer, hidden, logits, output);
    CHECK(calls == 2);
    CHECK(logits == std::vector<float>{0.0f, 2.0f, 4.0f});
    static_assert(eo::exit_head<eo::shared_head> && std::is_empty_v<eo::shared_head>);
    static_assert(!eo::exit_head<int>);
}
