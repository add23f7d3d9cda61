// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_LAYER_STACK_HPP
#define EARLYOUT_NN_LAYER_STACK_HPP

#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/run_context.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Layers over a residual stream, immutable once made and shared by any number of sequences. Layers are numbered from
/// 1; "after layer l" means that l layers have run.
template <class Block>
class layer_stack {
public:
    explicit layer_stack(std::vector<Block> blocks) : blocks_(std::move(blocks)) {}

    [[nodiscard]] std::size_t layers() const noexcept { return blocks_.size(); }
    [[nodiscard]] const Block& operator[](std::size_t layer) const noexcept { return blocks_[layer - 1]; }

    /// Runs the tokens through layers first .. last. Prefill, decoding, catching up deferred layers, verifying drafts
    /// and batches are this call over different tokens. Those of one sequence are in order of position, and each must
    /// be the next one that its cache's layer expects.
    void run_layers(std::size_t first, std::size_t last, std::span<const layer_token> tokens,
                    run_context& context) const {
        for (std::size_t layer = first; layer <= last; ++layer) {
            for_each_chunk(tokens, context, [&](std::span<const layer_token> chunk) {
                context.count_layer_tokens(chunk.size());
                blocks_[layer - 1](layer, chunk, context);
                context.notify(layer, chunk);
            });
        }
    }

    /// Appends keys and values at layers first .. last computed from the tokens' current rows, which stay unchanged:
    /// what `propagate` stores for skipped layers.
    void update_kv_only(std::size_t first, std::size_t last, std::span<const layer_token> tokens,
                        run_context& context) const {
        for (std::size_t layer = first; layer <= last; ++layer) {
            for_each_chunk(tokens, context, [&](std::span<const layer_token> chunk) {
                blocks_[layer - 1].update_kv_only(layer, chunk, context);
            });
        }
    }

    /// Returns the bytes of scratch memory that a chunk of `tokens` tokens takes in any layer.
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens, std::size_t pieces) const noexcept {
        std::size_t most = 0;
        for (const Block& block : blocks_) most = std::max(most, block.scratch_bytes(tokens, pieces));
        return most;
    }

    /// Releases its layers.
    [[nodiscard]] std::vector<Block> release() && noexcept { return std::move(blocks_); }

private:
    template <class Body>
    static void for_each_chunk(std::span<const layer_token> tokens, run_context& context, Body body) {
        for (std::size_t at = 0; at < tokens.size();) {
            const std::size_t count = std::min(context.chunk(), tokens.size() - at);
            body(tokens.subspan(at, count));
            at += count;
        }
    }

    std::vector<Block> blocks_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
