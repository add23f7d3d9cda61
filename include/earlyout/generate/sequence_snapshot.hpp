// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SEQUENCE_SNAPSHOT_HPP
#define EARLYOUT_GENERATE_SEQUENCE_SNAPSHOT_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/nn/kv_cache.hpp>
#include <earlyout/nn/kv_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <ranges>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

class sequence_file;

/// What a sequence held at one time, to begin any number of sequences with: its tokens, keys and values in pages that
/// it shares with them, and the hidden states of tokens that have not run through every layer. Smaller than a sequence,
/// since it has no room to grow.
class sequence_snapshot {
public:
    /// Takes the first tokens of a sequence.
    /// @param pool that of the sequence
    sequence_snapshot(const model_shape& shape, const sequence& of, std::size_t size, std::shared_ptr<kv_pool> pool)
        : d_model_(shape.d_model),
          ids_(of.ids_.begin(), of.ids_.begin() + static_cast<std::ptrdiff_t>(size)),
          cache_(shape, size, std::move(pool)),
          frontier_(of.frontier_),
          exact_(std::min(of.exact_, size)),
          active_experts_(of.active_experts_) {
        cache_.share_prefix(of.cache_, size);
        for (std::size_t& frontier : frontier_) frontier = std::min(frontier, size);
        // What has run through every layer is read no more.
        hidden_from_ = frontier_.empty() ? size : frontier_.back();
        const float* const rows = of.hidden_.data();
        hidden_.assign(rows + hidden_from_ * d_model_, rows + size * d_model_);
    }

    [[nodiscard]] std::span<const token_id> ids() const noexcept { return ids_; }
    [[nodiscard]] std::size_t size() const noexcept { return ids_.size(); }
    /// Returns the length of the exact prefix, as sequence::exact_prefix().
    [[nodiscard]] std::size_t exact_prefix() const noexcept { return exact_; }
    /// Returns how many experts its tokens chose, as sequence::active_experts().
    [[nodiscard]] std::size_t active_experts() const noexcept { return active_experts_; }

    /// Returns true if it has its pages from the same pool as a sequence.
    [[nodiscard]] bool has_pool_of(const sequence& of) const noexcept { return cache_.has_pool_of(of.cache_); }

private:
    friend class sequence;
    friend class sequence_file;

    /// Makes one of `size` tokens to be filled in.
    sequence_snapshot(const model_shape& shape, std::size_t size, std::shared_ptr<kv_pool> pool)
        : d_model_(shape.d_model),
          ids_(size),
          cache_(shape, size, std::move(pool)),
          frontier_(shape.layers),
          exact_(size),
          active_experts_(shape.active_experts) {}

    std::size_t d_model_;
    std::vector<token_id> ids_;
    kv_cache cache_;
    std::vector<std::size_t> frontier_;
    std::size_t exact_;
    std::size_t active_experts_;
    std::size_t hidden_from_ = 0;
    std::vector<float> hidden_;  // [size - hidden_from, d_model]
};

inline void sequence::restore(const sequence_snapshot& from, std::size_t position) {
    position = std::min({position, from.size(), capacity()});
    cache_.share_prefix(from.cache_, position);
    ids_.assign(from.ids_.begin(), from.ids_.begin() + static_cast<std::ptrdiff_t>(position));
    std::ranges::transform(from.frontier_, frontier_.begin(), [&](std::size_t f) { return std::min(f, position); });
    if (from.hidden_from_ < position) {
        std::copy_n(from.hidden_.data(), (position - from.hidden_from_) * d_model_,
                    hidden_.data() + from.hidden_from_ * d_model_);
    }
    exact_ = from.exact_ < position ? from.exact_ : capacity();
    needed_from_ = std::min(needed_from_, position);
    active_experts_ = from.active_experts_;
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
