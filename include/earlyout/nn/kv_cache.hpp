// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_KV_CACHE_HPP
#define EARLYOUT_NN_KV_CACHE_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/kernels/simd.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace earlyout::inline EARLYOUT_ABI {

/// Keys and values of one sequence. Every layer has its own length and the positions of its entries, in
/// increasing order; a token that left early may be missing from the deeper layers, so lengths never
/// increase with depth. Layers are numbered from 1.
///
/// Keys lie transposed in blocks of 16 entries, [entries/16][d_kv][16], so that one query meets 16 keys
/// without a horizontal sum; values lie by row, each head padded to 16 floats.
class kv_cache {
public:
    kv_cache(const model_shape& shape, std::size_t capacity)
        : d_kv_(shape.d_kv()),
          kv_heads_(shape.kv_heads),
          head_dim_(shape.head_dim),
          value_head_stride_(round_up(shape.head_dim, kernels::key_block)),
          capacity_(capacity),
          layers_(shape.layers) {
        const std::size_t blocks = (capacity + kernels::key_block - 1) / kernels::key_block;
        for (layer_entries& l : layers_) {
            l.keys = aligned_buffer<float>(blocks * kernels::key_block * d_kv_);
            l.values = aligned_buffer<float>(capacity * kv_heads_ * value_head_stride_);
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

    /// Appends one entry. The caller keeps positions increasing and the length within the capacity.
    /// @param key, value [d_kv]
    void append(std::size_t layer, std::size_t position, const float* key, const float* value) noexcept {
        auto& l = layers_[layer - 1];
        const std::size_t entry = l.positions.size();
        l.positions.push_back(position);  // within the reserve: no allocation
        float* keys =
            l.keys.data() + entry / kernels::key_block * kernels::key_block * d_kv_ + entry % kernels::key_block;
        for (std::size_t k = 0; k < d_kv_; ++k) keys[k * kernels::key_block] = key[k];
        float* values = l.values.data() + entry * value_stride();
        for (std::size_t head = 0; head < kv_heads_; ++head) {
            std::copy_n(value + head * head_dim_, head_dim_, values + head * value_head_stride_);
        }
    }

    /// Removes every entry at `position` or later from every layer.
    void truncate(std::size_t position) noexcept {
        for (layer_entries& l : layers_) {
            while (!l.positions.empty() && l.positions.back() >= position) l.positions.pop_back();
        }
    }

    /// First key of a head; see kernels::attend for the layout.
    [[nodiscard]] const float* keys(std::size_t layer, std::size_t kv_head) const noexcept {
        return at(layer).keys.data() + kv_head * head_dim_ * kernels::key_block;
    }
    /// First value of a head; the next entry's is value_stride() floats on.
    [[nodiscard]] const float* values(std::size_t layer, std::size_t kv_head) const noexcept {
        return at(layer).values.data() + kv_head * value_head_stride_;
    }
    [[nodiscard]] std::size_t value_stride() const noexcept { return kv_heads_ * value_head_stride_; }

    /// Bytes that one query reads of one entry in one layer.
    [[nodiscard]] std::size_t entry_bytes() const noexcept { return (d_kv_ + value_stride()) * sizeof(float); }

private:
    struct layer_entries {
        aligned_buffer<float> keys;
        aligned_buffer<float> values;
        std::vector<std::size_t> positions;
    };

    [[nodiscard]] const layer_entries& at(std::size_t number) const noexcept { return layers_[number - 1]; }

    std::size_t d_kv_;
    std::size_t kv_heads_;
    std::size_t head_dim_;
    std::size_t value_head_stride_;
    std::size_t capacity_;
    std::vector<layer_entries> layers_;
};

}  // namespace earlyout::inline EARLYOUT_ABI

#endif
