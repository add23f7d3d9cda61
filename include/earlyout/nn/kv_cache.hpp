// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_KV_CACHE_HPP
#define EARLYOUT_NN_KV_CACHE_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/extent.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/kernels/attention.hpp>
#include <earlyout/nn/kv_format.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Keys and values of one sequence. Every layer has its own length and the positions of its entries, in increasing
/// order; a token that exited early may be missing from the deeper layers, so lengths never increase with depth. Layers
/// are numbered from 1.
///
/// Every head has its own contiguous memory for keys and for values, laid out for attention (kernels::kv_layout). Both
/// are read as one stream.
class kv_cache {
public:
    /// Type in which memory holds a format's keys and values.
    template <kernels::cached_format Stored>
    using stored_element = typename kernels::kv_layout<Stored>::element;

    kv_cache(const model_shape& shape, std::size_t capacity, kv_format format = {})
        : kv_heads_(shape.kv_heads),
          head_dim_(shape.head_dim),
          capacity_(capacity),
          head_key_bytes_(format.operations_->key_bytes(head_dim_, capacity)),
          head_value_bytes_(format.operations_->value_bytes(head_dim_, capacity)),
          format_(format),
          layers_(shape.layers) {
        for (layer_entries& l : layers_) {
            l.keys = aligned_buffer<std::byte>(kv_heads_ * head_key_bytes_);
            l.values = aligned_buffer<std::byte>(kv_heads_ * head_value_bytes_);
            l.positions.reserve(capacity);
        }
    }

    [[nodiscard]] std::size_t layers() const noexcept { return layers_.size(); }
    /// Returns the max number of entries a layer can hold.
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    /// Returns the number of entries of a layer.
    [[nodiscard]] std::size_t length(std::size_t layer) const noexcept { return at(layer).positions.size(); }
    /// Returns the position of a layer's entry.
    [[nodiscard]] std::size_t position(std::size_t layer, std::size_t entry) const noexcept {
        return at(layer).positions[entry];
    }
    /// Returns how many entries of a layer are visible to a query at `position`: those at or before it.
    [[nodiscard]] std::size_t visible(std::size_t layer, std::size_t position) const noexcept {
        const auto& positions = at(layer).positions;
        return static_cast<std::size_t>(std::upper_bound(positions.begin(), positions.end(), position) -
                                        positions.begin());
    }
    /// Returns how many entries of a layer precede the first one visible to a query at `position` through a window of
    /// the given number of positions, its own included; 0: no window.
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
    /// Appends one entry, to be filled by set(), and returns its index.
    std::size_t push(std::size_t layer, std::size_t position) noexcept {
        auto& positions = layers_[layer - 1].positions;
        positions.push_back(position);  // within the reserve: no allocation
        return positions.size() - 1;
    }
    /// Sets one head's part of an entry; several threads may set different heads.
    /// @param key, value [head_dim]
    void set(std::size_t layer, std::size_t entry, std::size_t kv_head, const float* key, const float* value) noexcept {
        auto& l = layers_[layer - 1];
        format_.operations_->store(l.keys.data() + kv_head * head_key_bytes_,
                                   l.values.data() + kv_head * head_value_bytes_, head_dim_, entry, key, value);
    }
    /// Attends queries to one head's entries; see kernels::attend.
    template <std::size_t HeadDim>
    void attend(std::size_t layer, std::size_t kv_head, std::span<const kernels::head_query> queries,
                extent<HeadDim> head_dim, float scale, float* scratch) const noexcept {
        if constexpr (HeadDim != dynamic) {
            // For the default format, a head size known at compile time has dedicated kernels.
            if (format_ == f32{}) {
                kernels::attend(f32{}, queries, keys(layer, kv_head), values(layer, kv_head), head_dim, scale, scratch);
                return;
            }
        }
        format_.operations_->attend(queries, key_bytes(layer, kv_head), value_bytes(layer, kv_head), head_dim, scale,
                                    scratch);
    }
    /// Attends queries to one stretch of one head's entries; see kernels::attend_stretch.
    template <std::size_t HeadDim>
    void attend_stretch(std::size_t layer, std::size_t kv_head, std::span<const kernels::head_query> queries,
                        std::size_t stretch, extent<HeadDim> head_dim, float scale, kernels::softmax_state* states,
                        float* sums, float* scratch) const noexcept {
        if constexpr (HeadDim != dynamic) {
            if (format_ == f32{}) {
                kernels::attend_stretch(f32{}, queries, stretch, keys(layer, kv_head), values(layer, kv_head), head_dim,
                                        scale, states, sums, scratch);
                return;
            }
        }
        format_.operations_->attend_stretch(queries, stretch, key_bytes(layer, kv_head), value_bytes(layer, kv_head),
                                            head_dim, scale, states, sums, scratch);
    }

    /// Removes every entry at `position` or later from every layer.
    void truncate(std::size_t position) noexcept {
        for (layer_entries& l : layers_) {
            while (!l.positions.empty() && l.positions.back() >= position) l.positions.pop_back();
        }
    }

    /// Returns the format in which keys and values are stored.
    [[nodiscard]] kv_format format() const noexcept { return format_; }
    /// Returns a head's keys, in the stored format; see kernels::kv_layout.
    template <kernels::cached_format Stored = f32>
    [[nodiscard]] const stored_element<Stored>* keys(std::size_t layer, std::size_t kv_head) const noexcept {
        return reinterpret_cast<const stored_element<Stored>*>(key_bytes(layer, kv_head));
    }
    /// Returns a head's values, in the stored format; see kernels::kv_layout.
    template <kernels::cached_format Stored = f32>
    [[nodiscard]] const stored_element<Stored>* values(std::size_t layer, std::size_t kv_head) const noexcept {
        return reinterpret_cast<const stored_element<Stored>*>(value_bytes(layer, kv_head));
    }
    /// Returns the components of a value in memory.
    [[nodiscard]] std::size_t value_stride() const noexcept { return kernels::value_width(head_dim_); }

    /// Returns the bytes that one query reads of one entry in one layer.
    [[nodiscard]] std::size_t entry_bytes() const noexcept { return kv_heads_ * format_.entry_bytes(head_dim_); }

private:
    struct layer_entries {
        aligned_buffer<std::byte> keys;
        aligned_buffer<std::byte> values;
        std::vector<std::size_t> positions;
    };

    [[nodiscard]] const std::byte* key_bytes(std::size_t layer, std::size_t kv_head) const noexcept {
        return at(layer).keys.data() + kv_head * head_key_bytes_;
    }
    [[nodiscard]] const std::byte* value_bytes(std::size_t layer, std::size_t kv_head) const noexcept {
        return at(layer).values.data() + kv_head * head_value_bytes_;
    }
    [[nodiscard]] const layer_entries& at(std::size_t number) const noexcept { return layers_[number - 1]; }

    std::size_t kv_heads_;
    std::size_t head_dim_;
    std::size_t capacity_;
    std::size_t head_key_bytes_;    // from one head to the next
    std::size_t head_value_bytes_;  // the same for values
    kv_format format_;
    std::vector<layer_entries> layers_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
