// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_FORWARD_PASS_HPP
#define EARLYOUT_TESTS_SUPPORT_FORWARD_PASS_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/nn/kv_cache.hpp>
#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/run_context.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace support {

inline earlyout::executor& one_thread() {
    static earlyout::inline_executor on;
    return on;
}

/// Makes a context without layers: with the given bytes of scratch memory.
struct scratch_of {
    std::size_t bytes = 0;
    std::size_t scratch_bytes(std::size_t, std::size_t) const { return bytes; }
};

/// Makes a context for one part of a layer, which is not split into pieces.
template <class Part>
struct scratch_of_part {
    const Part* part;
    std::size_t scratch_bytes(std::size_t tokens, std::size_t) const { return part->scratch_bytes(tokens); }
};
template <class Part>
scratch_of_part(const Part*) -> scratch_of_part<Part>;

/// Returns the network's logits of one hidden state.
template <class Network>
std::vector<float> logits_of(const Network& network, std::span<const float> hidden, earlyout::run_context& context) {
    std::vector<float> made(network.shape().vocab);
    network.logits({hidden.data(), 1, hidden.size()}, {made.data(), 1, made.size()}, context);
    return made;
}

/// One sequence going through a network, in steps that the test chooses.
template <class Network>
class forward_pass {
public:
    forward_pass(const Network& network, std::span<const earlyout::token_id> text, std::size_t block,
                 earlyout::executor& on = one_thread())
        : cache(network.shape(), text.size()),
          network_(&network),
          context_(network, block, on),
          rows_(text.size() * network.shape().d_model) {
        for (std::size_t p = 0; p < text.size(); ++p) {
            network.embed(text[p], p, row(p));
            tokens_.push_back({&cache, p, row(p)});
        }
    }
    forward_pass(const forward_pass&) = delete;
    forward_pass& operator=(const forward_pass&) = delete;

    /// Runs positions begin .. end - 1 through layers first .. last.
    void run(std::size_t first, std::size_t last, std::size_t begin, std::size_t end) {
        network_->run_layers(first, last, tokens(begin, end), context_);
    }
    void update_kv_only(std::size_t first, std::size_t last, std::size_t begin, std::size_t end) {
        network_->update_kv_only(first, last, tokens(begin, end), context_);
    }

    std::span<const earlyout::layer_token> tokens(std::size_t begin, std::size_t end) const {
        return std::span(tokens_).subspan(begin, end - begin);
    }
    std::span<const float> hidden(std::size_t position) const {
        const std::size_t d = network_->shape().d_model;
        return std::span(rows_).subspan(position * d, d);
    }
    std::vector<float> logits(std::size_t position) { return logits_of(*network_, hidden(position), context_); }
    const earlyout::work_count& work() const { return context_.work(); }

    earlyout::kv_cache cache;

private:
    float* row(std::size_t position) { return rows_.data() + position * network_->shape().d_model; }

    const Network* network_;
    earlyout::run_context context_;
    std::vector<float> rows_;
    std::vector<earlyout::layer_token> tokens_;
};

}  // namespace support

#endif
