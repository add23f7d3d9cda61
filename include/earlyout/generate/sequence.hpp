// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SEQUENCE_HPP
#define EARLYOUT_GENERATE_SEQUENCE_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/exit/heads.hpp>
#include <earlyout/generate/run_stats.hpp>
#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/workspace.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <stop_token>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// The tokens of one sequence and how far each has come. A token's row of the residual stream lies in the
/// stash at the depth it has reached; its keys and values are in the cache of every layer up to there. Tokens enter a
/// layer in order, so those waiting below it are the positions from passed(layer) on; of the ones before, its cache
/// may lack some that were left out.
template <class Network>
class sequence {
public:
    /// @param capacity most positions
    /// @param block    most tokens that pass a layer together
    /// @param kv       what keys and values are stored in
    sequence(const Network& network, std::size_t capacity, std::size_t block, executor& on, dtype kv = dtype::f32)
        : network_(&network),
          on_(&on),
          cache_(network.shape(), capacity, kv),
          scratch_(network.shape(), block, on.concurrency()),
          stash_(capacity * network.shape().d_model),
          tokens_(capacity),
          passed_(network.shape().layers),
          exact_(capacity) {
        ids_.reserve(capacity);
    }

    /// From now on computes there; not wider than what it was made with.
    void run_on(executor& on) noexcept { on_ = &on; }

    [[nodiscard]] const Network& network() const noexcept { return *network_; }
    [[nodiscard]] std::size_t layers() const noexcept { return network_->shape().layers; }
    [[nodiscard]] std::size_t capacity() const noexcept { return cache_.capacity(); }
    [[nodiscard]] std::size_t size() const noexcept { return ids_.size(); }
    [[nodiscard]] std::span<const token_id> ids() const noexcept { return ids_; }
    /// Positions below this have passed a layer or were left out of it.
    [[nodiscard]] std::size_t passed(std::size_t layer) const noexcept { return passed_[layer - 1]; }
    /// Tokens whose keys and values a layer keeps.
    [[nodiscard]] std::size_t kept(std::size_t layer) const noexcept { return cache_.length(layer); }
    /// The state of a token at its own depth, [d_model]. One that passed the top layer unasked (see climb) may have
    /// kept the state below it.
    [[nodiscard]] std::span<const float> row(std::size_t position) const noexcept {
        const std::size_t d = network_->shape().d_model;
        return {stash_.data() + position * d, d};
    }
    /// Positions below this hold what the full model would; from here on something was propagated or left out.
    [[nodiscard]] std::size_t exact() const noexcept { return std::min(exact_, size()); }
    [[nodiscard]] const work_count& work() const noexcept { return work_; }

    /// Appends a token below the first layer. The caller keeps to the capacity and the vocabulary.
    void push(token_id id) noexcept {
        const std::size_t position = ids_.size();
        ids_.push_back(id);  // within the reserve
        network_->embed(id, position, stash_.data() + position * network_->shape().d_model);
    }

    /// Takes every token through layers first .. last where it has not been yet: the block grows as it
    /// climbs. Returns false if cancelled between two layers, which leaves everything consistent.
    /// @param asked positions below this are not asked for their state after the top layer, which then computes no more
    ///              of them than what later tokens see: keys and values
    [[nodiscard]] bool climb(std::size_t first, std::size_t last, const std::stop_token& cancel = {},
                             std::size_t asked = 0) {
        for (std::size_t layer = first; layer <= last; ++layer) {
            if (cancel.stop_requested()) return false;
            const std::span<const layer_token> waiting = from(passed(layer));
            if (waiting.empty()) continue;
            work_.layer_tokens += waiting.size();
            // A few along with the one that is asked cost little: the weights are read for it anyhow.
            constexpr std::size_t few = 4;
            const std::size_t unasked = layer == layers() ? std::max(asked, passed(layer)) - passed(layer) : 0;
            const std::span<const layer_token> filled = waiting.first(unasked > few ? unasked : 0);
            if (!filled.empty()) {
                network_->fill_layers(layer, layer, filled, scratch_, *on_);
                count(filled.size(), network_->fill_bytes(layer));
            }
            const std::span<const layer_token> run = waiting.subspan(filled.size());
            network_->run_layers(layer, layer, run, scratch_, *on_);
            count(run.size(), network_->layer_bytes(layer));
            passed_[layer - 1] = size();
        }
        return true;
    }

    /// Gives the layers that tokens before the last have not passed keys and values made from the state
    /// those tokens left with: they wait no longer, and the model's own values are lost.
    void propagate_waiting() {
        const std::size_t last = size() - 1;
        // A token that skipped only the top layer loses nothing: that layer sees the state it would have seen.
        const std::size_t below_top = layers() > 1 ? passed(layers() - 1) : last;
        if (below_top < last) exact_ = std::min(exact_, below_top);
        for (std::size_t layer = 1; layer <= layers(); ++layer) {
            if (passed(layer) >= last) continue;
            const std::span<const layer_token> waiting = from(passed(layer)).first(last - passed(layer));
            network_->fill_layers(layer, layer, waiting, scratch_, *on_);
            count(waiting.size(), network_->fill_bytes(layer));
            passed_[layer - 1] = last;
        }
    }

    /// Leaves tokens before the last out of the layers they have not passed.
    void omit_waiting() noexcept {
        const std::size_t last = size() - 1;
        if (passed(layers()) < last) exact_ = std::min(exact_, passed(layers()));
        for (std::size_t& before : passed_) before = std::max(before, last);
    }

    /// logits = the model's output for a row of the residual stream. logits: [vocab]
    void output(std::span<const float> row, std::span<float> logits) {
        network_->logits(row.data(), logits, scratch_, *on_);
        work_.weight_bytes += network_->output_bytes();
    }

    /// What matters of that output.
    [[nodiscard]] kernels::logit_summary output_summary(std::span<const float> row) {
        work_.weight_bytes += network_->output_bytes();
        return network_->logit_summary(row.data(), scratch_, *on_);
    }

    /// Makes room for the output rows of so many tokens.
    void make_room_for_outputs(std::size_t count) { kept_ = network_->room_for_outputs(count); }
    /// Copies them; ids: as many as there is room for.
    void keep_outputs(std::span<const token_id> ids) {
        network_->gather_outputs(ids, kept_, *on_);
        work_.weight_bytes += network_->gather_bytes(ids.size());
    }
    /// logits = the output for those tokens alone, with the bits they have among all. logits: [ids]
    void kept_output(std::span<const float> row, std::span<float> logits) {
        network_->gathered_logits(kept_, row.data(), logits, scratch_, *on_);
        work_.weight_bytes += network_->gathered_bytes(kept_);
    }
    /// What an exit head computes with: this sequence's threads and scratch, counted as its work.
    /// @param own output(), in some form that outlives the call
    [[nodiscard]] model_output output_for_head(model_output::function own) noexcept {
        return {own, scratch_, *on_, work_.weight_bytes};
    }

    /// Removes the tokens from `position` on, as if they had never been.
    void rollback(std::size_t position) noexcept {
        if (position >= size()) return;
        ids_.resize(position);
        cache_.truncate(position);
        for (std::size_t& before : passed_) before = std::min(before, position);
        if (exact_ >= position) exact_ = capacity();
    }

private:
    /// The tokens from a position on, as run_layers takes them.
    [[nodiscard]] std::span<const layer_token> from(std::size_t position) noexcept {
        const std::size_t d = network_->shape().d_model;
        for (std::size_t p = position; p < size(); ++p) tokens_[p] = {&cache_, p, stash_.data() + p * d};
        return std::span<const layer_token>(tokens_).first(size()).subspan(std::min(position, size()));
    }
    /// Weights are read once per block.
    void count(std::size_t tokens, std::size_t bytes) noexcept {
        work_.weight_bytes += (tokens + scratch_.block() - 1) / scratch_.block() * bytes;
    }

    const Network* network_;
    executor* on_;
    kv_cache cache_;
    workspace scratch_;
    typename Network::output_matrix kept_;
    aligned_buffer<float> stash_;
    std::vector<layer_token> tokens_;
    std::vector<token_id> ids_;
    std::vector<std::size_t> passed_;  // by layer
    std::size_t exact_;
    work_count work_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
