// SPDX-License-Identifier: MIT
#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/kernels/attention.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "support/archs.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

TEMPLATE_LIST_TEST_CASE("a stretch has the softmax of its own entries", "[kernels][attention]", support::archs) {
    using f32_layout = eo::kernels::kv_layout<eo::f32>;
    constexpr std::size_t head_dim = 20, width = 32, entries = 1200, length = eo::kernels::score_stretch;
    support::random_source random(1);
    const std::vector<float> plain_keys = random.floats(entries * head_dim);
    const std::vector<float> plain_values = random.floats(entries * head_dim);
    eo::aligned_buffer<float> keys(f32_layout::key_size(head_dim, entries)),
        values(f32_layout::value_size(head_dim, entries));
    for (std::size_t i = 0; i < entries; ++i) {
        f32_layout::store(keys.data(), values.data(), head_dim, i, plain_keys.data() + i * head_dim,
                          plain_values.data() + i * head_dim);
    }
    constexpr std::size_t count = eo::kernels::shared_queries<TestType>;
    const std::vector<float> inputs = random.floats(count * head_dim);
    std::vector<eo::kernels::head_query> queries;
    for (std::size_t q = 0; q < count; ++q) {  // some see nothing of a stretch
        queries.push_back({inputs.data() + q * head_dim, nullptr, q % 3 * 550, entries - q});
    }
    const eo::kernels::kv_arrays<eo::f32> memory(keys.data(), values.data(), head_dim);
    std::vector<float> scratch(eo::kernels::attention_scratch<TestType>(head_dim));
    for (std::size_t stretch = 0; stretch * length < entries; ++stretch) {
        std::vector<eo::kernels::softmax_state> states(count);
        std::vector<float> sums(count * width);
        eo::kernels::attend_stretch(eo::f32{}, queries, stretch, memory.at(stretch), eo::extent<>(head_dim), 0.3f,
                                    states.data(), sums.data(), scratch.data(), TestType{});
        for (std::size_t q = 0; q < count; ++q) {
            const std::size_t first = std::max(queries[q].first, stretch * length);
            const std::size_t last = std::min(queries[q].last, (stretch + 1) * length);
            INFO("stretch " << stretch << ", query " << q);
            if (first >= last) {
                CHECK(states[q].sum == 0.0f);
                continue;
            }
            std::vector<double> scores(entries), expected(head_dim);
            double most = -HUGE_VAL, sum = 0.0;
            for (std::size_t i = first; i < last; ++i) {
                for (std::size_t k = 0; k < head_dim; ++k) {
                    scores[i] += 0.3 * static_cast<double>(inputs[q * head_dim + k]) * plain_keys[i * head_dim + k];
                }
                most = std::max(most, scores[i]);
            }
            for (std::size_t i = first; i < last; ++i) {
                sum += std::exp(scores[i] - most);
                for (std::size_t k = 0; k < head_dim; ++k) {
                    expected[k] += std::exp(scores[i] - most) * plain_values[i * head_dim + k];
                }
            }
            CHECK_THAT(states[q].most, Catch::Matchers::WithinAbs(most, 1e-5));
            CHECK_THAT(states[q].sum, Catch::Matchers::WithinRel(sum, 1e-4));
            for (std::size_t k = 0; k < head_dim; ++k) {
                CHECK_THAT(sums[q * width + k], Catch::Matchers::WithinAbs(expected[k], 1e-3));
            }
        }
    }
}
