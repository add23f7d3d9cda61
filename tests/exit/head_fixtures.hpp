// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_EXIT_HEAD_FIXTURES_HPP
#define EARLYOUT_TESTS_EXIT_HEAD_FIXTURES_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/exit_weights.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "support/forward_pass.hpp"
#include "support/random.hpp"

namespace support {

namespace eo = earlyout;

/// A model output that repeats its input: logits[i] = hidden[i % d_model].
struct echo_output {
    explicit echo_output(const eo::model_shape&) {}

    template <class Head>
    std::vector<float> ask(const Head& head, std::size_t layer, const std::vector<float>& hidden, std::size_t vocab) {
        const auto own = [this](eo::matrix_view<const float> from, eo::matrix_view<float> into) {
            ++calls;
            for (std::size_t row = 0; row < into.rows(); ++row) {
                for (std::size_t i = 0; i < into.cols(); ++i) into.row(row)[i] = from.row(row)[i % from.cols()];
            }
        };
        // Several rows at once, of which the last is checked.
        constexpr std::size_t rows = 3;
        std::vector<float> all(2 * hidden.size(), 0.5f), logits(rows * vocab);
        all.insert(all.end(), hidden.begin(), hidden.end());
        eo::run_context context(scratch_of{eo::head_scratch_bytes(head, rows)}, rows, on);
        head(layer, eo::matrix_view<const float>{all.data(), rows, hidden.size()},
             eo::matrix_view<float>{logits.data(), rows, vocab}, eo::lm_head(own, context));
        weight_bytes += context.work().weight_bytes;
        return {logits.end() - static_cast<std::ptrdiff_t>(vocab), logits.end()};
    }

    eo::inline_executor on;
    std::uint64_t weight_bytes = 0;
    int calls = 0;
};

/// W x, summed in double. weight: [outputs, inputs]
inline std::vector<float> plain_product(const std::vector<float>& weight, const std::vector<float>& x) {
    std::vector<float> made;
    for (std::size_t row = 0; row < weight.size() / x.size(); ++row) {
        double sum = 0.0;
        for (std::size_t k = 0; k < x.size(); ++k) {
            sum += static_cast<double>(weight[row * x.size() + k]) * static_cast<double>(x[k]);
        }
        made.push_back(static_cast<float>(sum));
    }
    return made;
}

}  // namespace support

#endif
