// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_ALIGNED_BUFFER_HPP
#define EARLYOUT_CORE_ALIGNED_BUFFER_HPP

#include <earlyout/core/extent.hpp>
#include <earlyout/core/platform.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

inline constexpr std::size_t cache_line = 64;
inline constexpr std::size_t huge_page = std::size_t{1} << 21;

/// Allocates memory of zeros aligned to a cache line; from 2 MiB on aligned to huge pages, which are requested from the
/// kernel (0-25 % faster streaming where it grants them) and first touched by whoever fills them.
[[nodiscard]] inline std::shared_ptr<std::byte> allocate_aligned(std::size_t bytes) {
    if (bytes > std::size_t{1} << 48) throw std::bad_alloc();
    if (bytes >= huge_page) {
        const std::size_t size = round_up(bytes, huge_page);
        void* const memory = platform::reserve_pages(size, huge_page);
        platform::prefer_huge_pages(memory, size);
        return {static_cast<std::byte*>(memory), [size](std::byte* data) { platform::release_pages(data, size); }};
    }
    const std::size_t size = round_up(bytes, cache_line);
    void* const memory = platform::allocate(size, cache_line);
    std::memset(memory, 0, size);
    return {static_cast<std::byte*>(memory), [](std::byte* data) { platform::release(data, cache_line); }};
}

}  // namespace detail

/// Zero-initialised storage aligned to a cache line. Movable, not copyable.
template <class T>
    requires std::is_trivially_copyable_v<T>
class aligned_buffer {
public:
    static constexpr std::size_t alignment = detail::cache_line;
    static constexpr std::size_t huge_page = detail::huge_page;

    aligned_buffer() noexcept = default;
    /// Allocates memory owned by this buffer alone.
    explicit aligned_buffer(std::size_t size)
        : aligned_buffer(size == 0 ? nullptr : detail::allocate_aligned(checked_bytes(size)), size) {}
    /// Places the buffer in memory of zeros that others share: weight_arena.
    aligned_buffer(std::shared_ptr<std::byte> memory, std::size_t size) noexcept
        : memory_(std::move(memory)), size_(size) {}

    /// Refers to values stored elsewhere, such as in a mapped file: read only.
    [[nodiscard]] static aligned_buffer holding(std::shared_ptr<const std::byte> memory, std::size_t size) noexcept {
        aligned_buffer made;
        made.memory_ = std::const_pointer_cast<std::byte>(std::move(memory));
        made.size_ = size;
        return made;
    }

    aligned_buffer(aligned_buffer&& other) noexcept
        : memory_(std::move(other.memory_)), size_(std::exchange(other.size_, 0)) {}
    aligned_buffer& operator=(aligned_buffer&& other) noexcept {
        memory_ = std::move(other.memory_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    [[nodiscard]] T* data() noexcept { return reinterpret_cast<T*>(memory_.get()); }
    [[nodiscard]] const T* data() const noexcept { return reinterpret_cast<const T*>(memory_.get()); }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return size_ * sizeof(T); }
    [[nodiscard]] T& operator[](std::size_t index) noexcept { return data()[index]; }
    [[nodiscard]] const T& operator[](std::size_t index) const noexcept { return data()[index]; }
    [[nodiscard]] std::span<T> span() noexcept { return {data(), size_}; }
    [[nodiscard]] std::span<const T> span() const noexcept { return {data(), size_}; }
    /// Returns the memory that holds the values, to be kept alive.
    [[nodiscard]] std::shared_ptr<const std::byte> memory() const noexcept { return memory_; }

private:
    static std::size_t checked_bytes(std::size_t size) {
        if (size > (std::size_t{1} << 48) / sizeof(T)) throw std::bad_alloc();
        return size * sizeof(T);
    }

    std::shared_ptr<std::byte> memory_;
    std::size_t size_ = 0;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
