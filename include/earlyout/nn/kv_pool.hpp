// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_KV_POOL_HPP
#define EARLYOUT_NN_KV_POOL_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/extent.hpp>
#include <earlyout/core/shape.hpp>
#include <earlyout/kernels/attention.hpp>
#include <earlyout/nn/kv_format.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Memory for keys and values in pages that several caches may share. A page holds consecutive entries of one layer,
/// all of its heads. The address range of all pages is reserved at once; the system provides memory when a page is
/// first written, and keeps it for the next one to use the page. Used by one thread at a time.
class kv_pool {
public:
    /// Entries of a page: what attention reads at a time. See page_entries() for short caches.
    static constexpr std::size_t max_page_entries = kernels::score_stretch;

    /// Returns the entries of a page for caches of this capacity: no more than it needs.
    [[nodiscard]] static constexpr std::size_t page_entries_for(std::size_t capacity) noexcept {
        return std::clamp<std::size_t>(round_up(capacity, entry_granularity), entry_granularity, max_page_entries);
    }
    /// Returns the pages that one sequence of this many positions takes in a layer.
    [[nodiscard]] static constexpr std::size_t pages_for(std::size_t positions) noexcept {
        return (positions + max_page_entries - 1) / max_page_entries;
    }
    /// Returns the bytes of one page.
    [[nodiscard]] static std::size_t page_bytes(const model_shape& shape, kv_format format,
                                                std::size_t entries = max_page_entries) noexcept {
        const auto& size = *format.operations_;
        return shape.kv_heads *
               round_up(size.key_bytes(shape.head_dim, entries) + size.value_bytes(shape.head_dim, entries), line);
    }

    /// Reserves pages.
    /// @param pages   max number of them
    /// @param entries of each page; fewer than max_page_entries only where one page holds all of a layer's
    /// @throws error (invalid_argument) for none
    kv_pool(const model_shape& shape, kv_format format, std::size_t pages, std::size_t entries = max_page_entries)
        : format_(format),
          entries_(entries),
          page_bytes_(page_bytes(shape, format, entries)),
          memory_(pages * page_bytes_),
          owners_(pages) {
        if (pages == 0) fail(errc::invalid_argument, "KV pages: expected at least 1, found 0");
        free_.reserve(pages);
        for (std::size_t page = pages; page > 0; --page) free_.push_back(static_cast<std::uint32_t>(page - 1));
    }

    [[nodiscard]] kv_format format() const noexcept { return format_; }
    [[nodiscard]] std::size_t page_entries() const noexcept { return entries_; }
    [[nodiscard]] std::size_t page_bytes() const noexcept { return page_bytes_; }
    /// Returns the number of pages, and of those that no cache holds.
    [[nodiscard]] std::size_t pages() const noexcept { return owners_.size(); }
    [[nodiscard]] std::size_t available() const noexcept { return free_.size(); }

    /// Returns a page that no cache holds. The caller sees to it that there is one.
    [[nodiscard]] std::byte* take() noexcept {
        const std::uint32_t page = free_.back();
        free_.pop_back();
        owners_[page] = 1;
        return memory_.data() + page * page_bytes_;
    }
    /// Adds a holder to a page.
    void share(const std::byte* page) noexcept { ++owners_[index(page)]; }
    [[nodiscard]] bool is_shared(const std::byte* page) const noexcept { return owners_[index(page)] > 1; }
    /// Removes a holder from a page.
    void release(const std::byte* page) noexcept {
        if (--owners_[index(page)] == 0)
            free_.push_back(static_cast<std::uint32_t>(index(page)));  // within the reserve
    }

private:
    static constexpr std::size_t line = aligned_buffer<std::byte>::alignment;
    static constexpr std::size_t entry_granularity = 32;  // whole blocks of every layout

    [[nodiscard]] std::size_t index(const std::byte* page) const noexcept {
        return static_cast<std::size_t>(page - memory_.data()) / page_bytes_;
    }

    kv_format format_;
    std::size_t entries_;
    std::size_t page_bytes_;
    aligned_buffer<std::byte> memory_;
    std::vector<std::uint32_t> owners_;  // [pages]
    std::vector<std::uint32_t> free_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
