// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_EXIT_HEAD_FIXTURES_HPP
#define EARLYOUT_TESTS_EXIT_HEAD_FIXTURES_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/exit/heads.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "support/random.hpp"

namespace support {

namespace eo = earlyout;

/// A model's output that gives back what it is shown: logits[i] = hidden[i % d_model].
struct echo_output {
    explicit echo_output(const eo::model_shape& shape) : scratch(shape, 1, 1) {}

    template <class Head>
    std::vector<float> ask(const Head& head, std::size_t layer, const std::vector<float>& hidden, std::size_t vocab) {
        const auto own = [this](std::span<const float> from, std::span<float> into) {
            ++calls;
            for (std::size_t i = 0; i < into.size(); ++i) into[i] = from[i % from.size()];
        };
        std::vector<float> logits(vocab);
        head(layer, hidden, logits, eo::model_output(own, scratch, on, weight_bytes));
        return logits;
    }

    eo::inline_executor on;
    eo::workspace scratch;
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
