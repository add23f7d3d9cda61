// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SEQUENCE_HPP
#define EARLYOUT_GENERATE_SEQUENCE_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/nn/kv_cache.hpp>
#include <earlyout/nn/kv_format.hpp>
#include <earlyout/nn/kv_pool.hpp>
#include <earlyout/nn/layer_token.hpp>
#include <earlyout/nn/network.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

class sequence_snapshot;

/// The state of one sequence: its tokens, the hidden state of each at the depth it has reached, and the keys and values
/// of every layer up to there. It runs nothing: run_pending() does, for any number of sequences on one run_context.
///
/// Tokens enter a layer in order of position, so those pending at a layer are the positions from frontier(layer) on. Of
/// the earlier ones, a layer's cache lacks those that were omitted from it.
class sequence {
public:
    /// Allocates everything.
    /// @param capacity max positions
    /// @param kv       format of keys and values
    /// @throws error (invalid_argument) for a capacity of 0
    explicit sequence(const model_shape& shape, std::size_t capacity, kv_format kv = {})
        : sequence(shape, capacity, kv_cache(shape, capacity, kv)) {}
    /// Takes the pages of keys and values from a pool as it grows: the caller sees to it that there are enough, see
    /// pages_to_grow().
    sequence(const model_shape& shape, std::size_t capacity, std::shared_ptr<kv_pool> pool)
        : sequence(shape, capacity, kv_cache(shape, capacity, std::move(pool))) {}

    /// Replaces the tokens by a snapshot's before a position, whose keys and values both then share. Their pools are
    /// the same.
    void restore(const sequence_snapshot& from, std::size_t position);
    /// Returns the pages that it takes to grow to this many tokens.
    [[nodiscard]] std::size_t pages_to_grow(std::size_t tokens) const noexcept { return cache_.pages_to_grow(tokens); }

    [[nodiscard]] std::size_t layers() const noexcept { return frontier_.size(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return cache_.capacity(); }
    [[nodiscard]] std::size_t size() const noexcept { return ids_.size(); }
    [[nodiscard]] std::span<const token_id> ids() const noexcept { return ids_; }
    /// Returns the first position that is pending at a layer: earlier ones have passed it or were omitted from it.
    [[nodiscard]] std::size_t frontier(std::size_t layer) const noexcept { return frontier_[layer - 1]; }
    /// Returns the number of tokens whose keys and values a layer's cache holds.
    [[nodiscard]] std::size_t cache_length(std::size_t layer) const noexcept { return cache_.length(layer); }
    /// Returns the hidden state of a token at its own depth, [d_model]. For positions below needed_from() it may be the
    /// one before the last layer.
    [[nodiscard]] std::span<const float> hidden_state(std::size_t position) const noexcept {
        return {hidden_.data() + position * d_model_, d_model_};
    }
    /// Returns the length of the exact prefix: from there on something was propagated or omitted.
    [[nodiscard]] std::size_t exact_prefix() const noexcept { return std::min(exact_, size()); }

    /// Appends a token before the first layer.
    /// @throws error (out_of_range) when no position is left, or for an id outside the vocabulary
    template <network Network>
    void push(const Network& network, token_id id) {
        const std::size_t position = ids_.size();
        if (position == capacity()) {
            fail(errc::out_of_range, "sequence: expected at most ", capacity(), " tokens, found another");
        }
        if (id < 0 || std::cmp_greater_equal(id, network.shape().vocab)) {
            fail(errc::out_of_range, "sequence: expected token ids 0 .. ", network.shape().vocab - 1, ", found ", id);
        }
        ids_.push_back(id);  // within the reserve
        network.embed(id, position, hidden_.data() + position * d_model_);
    }
    /// Removes the tokens from `position` on, as if they had never existed.
    void rollback(std::size_t position) noexcept {
        if (position >= size()) return;
        ids_.resize(position);
        cache_.truncate(position);
        for (std::size_t& frontier : frontier_) frontier = std::min(frontier, position);
        needed_from_ = std::min(needed_from_, position);
        if (exact_ >= position) exact_ = capacity();
    }

    /// Returns the first position whose hidden state after the last layer will be read; 0 until it is set.
    [[nodiscard]] std::size_t needed_from() const noexcept { return needed_from_; }
    /// Lets the last layer compute only keys and values for earlier positions.
    void need_from(std::size_t position) noexcept { needed_from_ = position; }

    /// Returns how many experts its tokens choose in each mixture; 0 without mixtures.
    [[nodiscard]] std::size_t active_experts() const noexcept { return active_experts_; }
    /// Lets the tokens that run from now on choose that many; 0: the model's own number. Tokens that ran with
    /// another number are of no use then: roll back to 0.
    void use_experts(std::size_t active) noexcept { active_experts_ = active != 0 ? active : own_experts_; }

    /// Returns a token in the form that run_layers takes.
    [[nodiscard]] layer_token at(std::size_t position) noexcept {
        return {&cache_, position, hidden_.data() + position * d_model_, active_experts_};
    }
    /// Records that the tokens before a position have passed a layer, or never will.
    void advance(std::size_t layer, std::size_t position) noexcept { frontier_[layer - 1] = position; }
    /// Records that from a position on some layers hold other keys and values than the full model's.
    void mark_inexact(std::size_t position) noexcept { exact_ = std::min(exact_, position); }

private:
    friend class sequence_snapshot;

    sequence(const model_shape& shape, std::size_t capacity, kv_cache cache)
        : d_model_(shape.d_model),
          cache_(std::move(cache)),
          hidden_(capacity * shape.d_model),
          frontier_(shape.layers),
          exact_(capacity),
          own_experts_(shape.active_experts),
          active_experts_(shape.active_experts) {
        if (capacity == 0) fail(errc::invalid_argument, "sequence: expected a capacity of at least 1 token, found 0");
        ids_.reserve(capacity);
    }

    std::size_t d_model_;
    kv_cache cache_;
    aligned_buffer<float> hidden_;       // [capacity, d_model]
    std::vector<token_id> ids_;          // [size]
    std::vector<std::size_t> frontier_;  // [layers]
    std::size_t exact_;
    std::size_t needed_from_ = 0;
    std::size_t own_experts_;
    std::size_t active_experts_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
