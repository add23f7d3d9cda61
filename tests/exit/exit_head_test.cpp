// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/heads/shared_head.hpp>

#include <span>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("the shared head is the model's own output at every layer", "[exit][heads]") {
    const std::vector<float> hidden{1.0f, 2.0f};
    std::vector<float> logits(3);
    int calls = 0;
    const auto output = [&](eo::matrix_view<const float> from, eo::matrix_view<float> into) {
        ++calls;
        for (std::size_t i = 0; i < into.cols(); ++i) into.row(0)[i] = static_cast<float>(i) * from.row(0)[1];
    };
    const eo::matrix_view<const float> state(hidden.data(), 1, 2);
    const eo::matrix_view<float> room(logits.data(), 1, 3);
    for (const std::size_t layer : {1u, 7u}) eo::shared_head{}(layer, state, room, output);
    CHECK(calls == 2);
    CHECK(logits == std::vector<float>{0.0f, 2.0f, 4.0f});
    static_assert(eo::exit_head<eo::shared_head> && std::is_empty_v<eo::shared_head>);
    static_assert(!eo::exit_head<int>);
}
