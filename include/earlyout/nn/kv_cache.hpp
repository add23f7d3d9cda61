// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_KV_CACHE_HPP
#define EARLYOUT_NN_KV_CACHE_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/kernels/attention.hpp>
#include <earlyout/nn/kv_format.hpp>
#include <earlyout/nn/kv_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Keys and values of one sequence. Every layer has its own length and the positions of its entries, in increasing
/// order; a token that exited early may be missing from the deeper layers, so lengths never increase with depth. Layers
/// are numbered from 1.
///
/// They are stored in pages of a kv_pool, of its own or one that caches share: share_prefix() begins a cache with
/// another's pages, which are copied before either of the two writes to them. In a page every head has its own
/// contiguous memory for keys and for values, laid out for attention (kernels::kv_layout).
class kv_cache {
public:
    /// Type in which memory holds a format's keys and values.
    template <kernels::cached_format Stored>
    using stored_element = typename kernels::kv_layout<Stored>::element;

    /// Makes a cache with a pool of its own, which holds all the pages that it can need.
    kv_cache(const model_shape& shape, std::size_t capacity, kv_format format = {})
        : kv_cache(shape, capacity,
                   std::make_shared<kv_pool>(shape, format,
                                             std::max<std::size_t>(1, shape.layers * kv_pool::pages_for(capacity)),
                                             kv_pool::page_entries_for(capacity))) {}
    /// Makes an empty cache that takes its pages from a pool for the same shape, as it grows.
    kv_cache(const model_shape& shape, std::size_t capacity, std::shared_ptr<kv_pool> pool)
        : kv_heads_(shape.kv_heads),
          head_dim_(shape.head_dim),
          capacity_(capacity),
          head_key_bytes_(pool->format().operations_->key_bytes(head_dim_, pool->page_entries())),
          head_bytes_(pool->page_bytes() / kv_heads_),
          format_(pool->format()),
          pool_(std::move(pool)),
          layers_(shape.layers) {
        for (layer_entries& l : layers_) {
            l.positions.reserve(capacity);
            l.pages.reserve(kv_pool::pages_for(capacity));
        }
    }
    kv_cache(kv_cache&&) noexcept = default;
    kv_cache& operator=(kv_cache&& other) noexcept {
        kv_cache taken(std::move(other));
        std::swap(kv_heads_, taken.kv_heads_);
        std::swap(head_dim_, taken.head_dim_);
        std::swap(capacity_, taken.capacity_);
        std::swap(head_key_bytes_, taken.head_key_bytes_);
        std::swap(head_bytes_, taken.head_bytes_);
        std::swap(format_, taken.format_);
        std::swap(pool_, taken.pool_);
        std::swap(layers_, taken.layers_);
        return *this;
    }
    ~kv_cache() {
        for (layer_entries& l : layers_) release_pages(l, 0);
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

    /// Appends one entry. The caller keeps positions increasing, the length within the capacity and the pages within
    /// the pool.
    /// @param key, value [d_kv]
    void append(std::size_t layer, std::size_t position, const float* key, const float* value) noexcept {
        const std::size_t entry = push(layer, position);
        for (std::size_t head = 0; head < kv_heads_; ++head) {
            set(layer, entry, head, key + head * head_dim_, value + head * head_dim_);
        }
    }
    /// Appends one entry, to be filled by set(), and returns its index.
    std::size_t push(std::size_t layer, std::size_t position) noexcept {
        layer_entries& l = layers_[layer - 1];
        const std::size_t entry = l.positions.size(), in_page = entry % pool_->page_entries();
        l.positions.push_back(position);  // within the reserve: no allocation
        if (in_page == 0) {
            l.pages.push_back(pool_->take());
        } else if (pool_->is_shared(l.pages.back())) {
            l.pages.back() = copied(l.pages.back(), in_page);
        }
        return entry;
    }
    /// Sets one head's part of an entry; several threads may set different heads.
    /// @param key, value [head_dim]
    void set(std::size_t layer, std::size_t entry, std::size_t kv_head, const float* key, const float* value) noexcept {
        std::byte* const memory = layers_[layer - 1].pages[entry / pool_->page_entries()] + kv_head * head_bytes_;
        format_.operations_->store(memory, memory + head_key_bytes_, head_dim_, entry % pool_->page_entries(), key,
                                   value);
    }
    /// Attends queries to one head's entries; see kernels::attend.
    template <std::size_t HeadDim>
    void attend(std::size_t layer, std::size_t kv_head, std::span<const kernels::head_query> queries,
                extent<HeadDim> head_dim, float scale, float* scratch) const noexcept {
        const kernels::kv_pages memory = pages(layer, kv_head);
        if constexpr (HeadDim != dynamic) {
            // For the default format, a head size known at compile time has dedicated kernels.
            if (format_ == f32{}) return kernels::attend(f32{}, queries, memory, head_dim, scale, scratch);
        }
        format_.operations_->attend(queries, memory, head_dim, scale, scratch);
    }
    /// Attends queries to one stretch of one head's entries; see kernels::attend_stretch.
    template <std::size_t HeadDim>
    void attend_stretch(std::size_t layer, std::size_t kv_head, std::span<const kernels::head_query> queries,
                        std::size_t stretch, extent<HeadDim> head_dim, float scale, kernels::softmax_state* states,
                        float* sums, float* scratch) const noexcept {
        const kernels::kv_pages memory = pages(layer, kv_head);
        if constexpr (HeadDim != dynamic) {
            if (format_ == f32{}) {
                kernels::attend_stretch(f32{}, queries, stretch, memory.at<float>(stretch), head_dim, scale, states,
                                        sums, scratch);
                return;
            }
        }
        format_.operations_->attend_stretch(queries, stretch, memory, head_dim, scale, states, sums, scratch);
    }

    /// Removes every entry at `position` or later from every layer.
    void truncate(std::size_t position) noexcept {
        for (layer_entries& l : layers_) {
            while (!l.positions.empty() && l.positions.back() >= position) l.positions.pop_back();
            release_pages(l, (l.positions.size() + pool_->page_entries() - 1) / pool_->page_entries());
        }
    }
    /// Replaces all entries by another cache's, before a position, in the same memory. Both caches have the same pool.
    /// @throws std::bad_alloc when this cache is smaller
    void share_prefix(const kv_cache& from, std::size_t position) {
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            layer_entries& to = layers_[i];
            const layer_entries& source = from.layers_[i];
            const auto end = std::lower_bound(source.positions.begin(), source.positions.end(), position);
            to.positions.assign(source.positions.begin(), end);
            const std::size_t pages = (to.positions.size() + pool_->page_entries() - 1) / pool_->page_entries();
            for (std::size_t page = 0; page < pages; ++page) pool_->share(source.pages[page]);
            release_pages(to, 0);
            to.pages.assign(source.pages.begin(), source.pages.begin() + static_cast<std::ptrdiff_t>(pages));
        }
    }
    /// Returns the pages that it takes to have this many positions in every layer: new ones and copies of shared ones.
    [[nodiscard]] std::size_t pages_to_grow(std::size_t positions) const noexcept {
        std::size_t pages = 0;
        for (const layer_entries& l : layers_) {
            const std::size_t wanted = (positions + pool_->page_entries() - 1) / pool_->page_entries();
            pages += std::max(wanted, l.pages.size()) - l.pages.size();
            pages += l.positions.size() % pool_->page_entries() != 0 && pool_->is_shared(l.pages.back()) ? 1 : 0;
        }
        return pages;
    }

    /// Returns true if both take their pages from one pool.
    [[nodiscard]] bool has_pool_of(const kv_cache& other) const noexcept { return pool_ == other.pool_; }
    /// Returns the format in which keys and values are stored.
    [[nodiscard]] kv_format format() const noexcept { return format_; }
    /// Returns the pages of a layer, as one head's.
    [[nodiscard]] kernels::kv_pages pages(std::size_t layer, std::size_t kv_head) const noexcept {
        const auto& held = at(layer).pages;
        const std::size_t keys = kv_head * head_bytes_;
        return {held.data(), held.size(), keys, keys + head_key_bytes_};
    }
    /// Returns the keys of a head, in the stored format, in the page of an entry; see kernels::kv_layout.
    template <kernels::cached_format Stored = f32>
    [[nodiscard]] const stored_element<Stored>* keys(std::size_t layer, std::size_t kv_head,
                                                     std::size_t page = 0) const noexcept {
        return pages(layer, kv_head).template at<stored_element<Stored>>(page).keys;
    }
    /// Returns the values of a head in a page.
    template <kernels::cached_format Stored = f32>
    [[nodiscard]] const stored_element<Stored>* values(std::size_t layer, std::size_t kv_head,
                                                       std::size_t page = 0) const noexcept {
        return pages(layer, kv_head).template at<stored_element<Stored>>(page).values;
    }
    /// Calls body(bytes) for the keys and then the values of each page and head of a layer, as far as they are used, in
    /// whole blocks of their layout.
    void for_each_part(std::size_t layer, auto body) const {
        for_each_part_of(at(layer),
                         [&](std::byte* part, std::size_t bytes) { body(std::span<const std::byte>(part, bytes)); });
    }
    /// The same to fill them in: no page may be shared.
    void for_each_part(std::size_t layer, auto body) {
        for_each_part_of(at(layer), [&](std::byte* part, std::size_t bytes) { body(std::span(part, bytes)); });
    }
    /// Returns the components of a value in memory.
    [[nodiscard]] std::size_t value_stride() const noexcept { return kernels::value_width(head_dim_); }

    /// Returns the bytes that one query reads of one entry in one layer.
    [[nodiscard]] std::size_t entry_bytes() const noexcept { return kv_heads_ * format_.entry_bytes(head_dim_); }

private:
    struct layer_entries {
        std::vector<std::size_t> positions;
        std::vector<std::byte*> pages;
    };

    [[nodiscard]] const layer_entries& at(std::size_t number) const noexcept { return layers_[number - 1]; }
    void for_each_part_of(const layer_entries& l, auto body) const {
        for (std::size_t page = 0; page < l.pages.size(); ++page) {
            const std::size_t left = l.positions.size() - page * pool_->page_entries();
            const std::size_t whole = kv_pool::page_entries_for(std::min(left, pool_->page_entries()));
            for (std::size_t head = 0; head < kv_heads_; ++head) {
                std::byte* const memory = l.pages[page] + head * head_bytes_;
                body(memory, format_.operations_->key_bytes(head_dim_, whole));
                body(memory + head_key_bytes_, format_.operations_->value_bytes(head_dim_, whole));
            }
        }
    }
    void release_pages(layer_entries& l, std::size_t kept) noexcept {
        for (; l.pages.size() > kept; l.pages.pop_back()) pool_->release(l.pages.back());
    }
    /// Returns a copy of a page's first entries and releases the page.
    [[nodiscard]] std::byte* copied(const std::byte* page, std::size_t entries) noexcept {
        std::byte* const made = pool_->take();
        const std::size_t whole = kv_pool::page_entries_for(entries);
        const std::size_t keys = format_.operations_->key_bytes(head_dim_, whole);
        const std::size_t values = format_.operations_->value_bytes(head_dim_, whole);
        for (std::size_t head = 0; head < kv_heads_; ++head) {
            const std::size_t offset = head * head_bytes_;
            std::memcpy(made + offset, page + offset, keys);
            std::memcpy(made + offset + head_key_bytes_, page + offset + head_key_bytes_, values);
        }
        pool_->release(page);
        return made;
    }

    std::size_t kv_heads_;
    std::size_t head_dim_;
    std::size_t capacity_;
    std::size_t head_key_bytes_;  // of a page
    std::size_t head_bytes_;      // from one head to the next in a page
    kv_format format_;
    std::shared_ptr<kv_pool> pool_;
    std::vector<layer_entries> layers_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
