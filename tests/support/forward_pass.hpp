// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_FORWARD_PASS_HPP
#define EARLYOUT_TESTS_SUPPORT_FORWARD_PASS_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/nn/kv_cache.hpp>
#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/workspace.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace support {

inline earlyout::executor& one_thread() {
    static earlyout::inline_executor on;
    return on;
}

/// Scratch for layers whose format does not round activations.
inline earlyout::kernels::quantized_rows& no_rounding() {
    static earlyout::kernels::quantized_rows none;
    return none;
}

/// One sequence going through a network, in steps that the test chooses.
template <class Network>
class forward_pass {
public:
    forward_pass(const Network& network, std::span<const earlyout::token_id> text, std::size_t block,
                 earlyout::executor& on = one_thread())
        : cache(network.shape(), text.size()),
          network_(&network),
          on_(&on),
          scratch_(network.shape(), block, on.concurrency()),
          rows_(text.size() * network.shape().d_model) {
        for (std::size_t p = 0; p < text.size(); ++p) {
            network.embed(text[p], p, row(p));
            tokens_.push_back({&cache, p, row(p)});
        }
    }
    forward_pass(const forward_pass&) = delete;
    forward_pass& operator=(const forward_pass&) = delete;

    /// Takes positions begin .. end - 1 through layers first .. last.
    void run(std::size_t first, std::size_t last, std::size_t begin, std::size_t end) {
        network_->run_layers(first, last, tokens(begin, end), scratch_, *on_);
    }
    void fill(std::size_t first, std::size_t last, std::size_t begin, std::size_t end) {
        network_->fill_layers(first, last, tokens(begin, end), scratch_, *on_);
    }

    std::span<const earlyout::layer_token> tokens(std::size_t begin, std::size_t end) const {
        return std::span(tokens_).subspan(begin, end - begin);
    }
    std::span<const float> hidden(std::size_t position) const {
        const std::size_t d = network_->shape().d_model;
        return std::span(rows_).subspan(position * d, d);
    }
    std::vector<float> logits(std::size_t position) {
        std::vector<float> made(network_->shape().vocab);
        network_->logits(hidden(position).data(), made, scratch_, *on_);
        return made;
    }

    earlyout::kv_cache cache;

private:
    float* row(std::size_t position) { return rows_.data() + position * network_->shape().d_model; }

    const Network* network_;
    earlyout::executor* on_;
    earlyout::workspace scratch_;
    std::vector<float> rows_;
    std::vector<earlyout::layer_token> tokens_;
};

}  // namespace support

#endif
