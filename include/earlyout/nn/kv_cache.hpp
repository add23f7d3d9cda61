// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_KV_CACHE_HPP
#define EARLYOUT_NN_KV_CACHE_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/dtype.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/kernels/half.hpp>
#include <earlyout/kernels/simd.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Keys and values of one sequence. Every layer has its own length and the positions of its entries, in
/// increasing order; a token that left early may be missing from the deeper layers, so lengths never
/// increase with depth. Layers are numbered from 1.
///
/// Every head has a stretch of its own. Its keys lie transposed in blocks of 16 entries, [entries/16][head_dim][16], so
/// that one query meets 16 keys without a horizontal sum; its values lie by row, padded to 16. Both are one stream.
class kv_cache {
public:
    /// @param stored f32 keeps keys and values as they are; f16 and bf16 round each by itself and take half the memory
    /// @throws error (invalid_argument) for any other
    kv_cache(const model_shape& shape, std::size_t capacity, dtype stored = dtype::f32)
        : kv_heads_(shape.kv_heads),
          head_dim_(shape.head_dim),
          value_stride_(round_up(shape.head_dim, kernels::key_block)),
          capacity_(capacity),
          head_keys_(round_up(capacity, kernels::key_block) * shape.head_dim),
          head_values_(capacity * value_stride_),
          stored_(stored),
          layers_(shape.layers) {
        if (block_elements(stored) != 1) {
            fail(errc::invalid_argument, "keys and values: expected F32, F16 or BF16, found ", to_string(stored));
        }
        for (layer_entries& l : layers_) {
            l.keys = aligned_buffer<std::byte>(kv_heads_ * head_keys_ * size_of(stored));
            l.values = aligned_buffer<std::byte>(kv_heads_ * head_values_ * size_of(stored));
            l.positions.reserve(capacity);
        }
    }

    [[nodiscard]] std::size_t layers() const noexcept { return layers_.size(); }
    /// Most entries a layer can hold.
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    /// Entries of a layer.
    [[nodiscard]] std::size_t length(std::size_t layer) const noexcept { return at(layer).positions.size(); }
    /// Position of a layer's entry.
    [[nodiscard]] std::size_t position(std::size_t layer, std::size_t entry) const noexcept {
        return at(layer).positions[entry];
    }
    /// Entries of a layer that a query at `position` may see: those at most that far.
    [[nodiscard]] std::size_t visible(std::size_t layer, std::size_t position) const noexcept {
        const auto& positions = at(layer).positions;
        return static_cast<std::size_t>(std::upper_bound(positions.begin(), positions.end(), position) -
                                        positions.begin());
    }
    /// Entries of a layer before the first that a query at `position` may see through a window of so many positions,
    /// its own included; 0: no window.
    [[nodiscard]] std::size_t hidden(std::size_t layer, std::size_t position, std::size_t window) const noexcept {
        if (window == 0 || position < window) return 0;
        const auto& positions = at(layer).positions;
        return static_cast<std::size_t>(std::lower_bound(positions.begin(), positions.end(), position - window + 1) -
                                        positions.begin());
    }

    /// Appends one entry. The caller keeps positions increasing and the length within the capacity.
    /// @param key, value [d_kv]
    void append(std::size_t layer, std::size_t position, const float* key, const float* value) noexcept {
        const std::size_t entry = push(layer, position);
        for (std::size_t head = 0; head < kv_heads_; ++head) {
            set(layer, entry, head, key + head * head_dim_, value + head * head_dim_);
        }
    }
    /// Appends one entry whose keys and values set() gives, and returns which it is.
    std::size_t push(std::size_t layer, std::size_t position) noexcept {
        auto& positions = layers_[layer - 1].positions;
        positions.push_back(position);  // within the reserve: no allocation
        return positions.size() - 1;
    }
    /// One head's part of an entry; several threads may set different heads.
    /// @param key, value [head_dim]
    void set(std::size_t layer, std::size_t entry, std::size_t kv_head, const float* key, const float* value) noexcept {
        auto& l = layers_[layer - 1];
        visit_format([&]<class Stored>(Stored) {
            using element = typename Stored::element;
            auto* const keys = reinterpret_cast<element*>(l.keys.data()) + kv_head * head_keys_ +
                               entry / kernels::key_block * kernels::key_block * head_dim_ + entry % kernels::key_block;
            auto* const values =
                reinterpret_cast<element*>(l.values.data()) + kv_head * head_values_ + entry * value_stride_;
            kernels::encode(Stored{}, value, head_dim_, values);
            element column[kernels::key_block];
            for (std::size_t k = 0; k < head_dim_; k += kernels::key_block) {
                const std::size_t count = std::min(kernels::key_block, head_dim_ - k);
                kernels::encode(Stored{}, key + k, count, column);
                element* const to = keys + k * kernels::key_block;
                for (std::size_t i = 0; i < count; ++i) to[i * kernels::key_block] = column[i];
            }
        });
    }

    /// Removes every entry at `position` or later from every layer.
    void truncate(std::size_t position) noexcept {
        for (layer_entries& l : layers_) {
            while (!l.positions.empty() && l.positions.back() >= position) l.positions.pop_back();
        }
    }

    /// body(f32{}), body(f16{}) or body(bf16{}), whichever keys and values are stored in.
    template <class Body>
    void visit_format(Body&& body) const {
        switch (stored_) {
            case dtype::f16: return body(f16{});
            case dtype::bf16: return body(bf16{});
            default: return body(f32{});
        }
    }
    /// A head's keys, in the format stored; see kernels::attend for the layout.
    template <element_format Stored = f32>
    [[nodiscard]] const typename Stored::element* keys(std::size_t layer, std::size_t kv_head) const noexcept {
        return reinterpret_cast<const typename Stored::element*>(at(layer).keys.data()) + kv_head * head_keys_;
    }
    /// A head's values, in the format stored; the next entry's are value_stride() elements on.
    template <element_format Stored = f32>
    [[nodiscard]] const typename Stored::element* values(std::size_t layer, std::size_t kv_head) const noexcept {
        return reinterpret_cast<const typename Stored::element*>(at(layer).values.data()) + kv_head * head_values_;
    }
    [[nodiscard]] std::size_t value_stride() const noexcept { return value_stride_; }

    /// Bytes that one query reads of one entry in one layer.
    [[nodiscard]] std::size_t entry_bytes() const noexcept {
        return kv_heads_ * (head_dim_ + value_stride_) * size_of(stored_);
    }

private:
    struct layer_entries {
        aligned_buffer<std::byte> keys;
        aligned_buffer<std::byte> values;
        std::vector<std::size_t> positions;
    };

    [[nodiscard]] const layer_entries& at(std::size_t number) const noexcept { return layers_[number - 1]; }

    std::size_t kv_heads_;
    std::size_t head_dim_;
    std::size_t value_stride_;
    std::size_t capacity_;
    std::size_t head_keys_;    // elements from one head to the next
    std::size_t head_values_;  // likewise
    dtype stored_;
    std::vector<layer_entries> layers_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
