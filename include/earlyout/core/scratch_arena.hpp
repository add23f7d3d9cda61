// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_SCRATCH_ARENA_HPP
#define EARLYOUT_CORE_SCRATCH_ARENA_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/matrix_view.hpp>

#include <cassert>
#include <cstddef>
#include <span>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Returns the bytes that scratch_frame::take<T>(count) uses.
template <class T>
[[nodiscard]] constexpr std::size_t scratch_bytes(std::size_t count) noexcept {
    return round_up(count * sizeof(T), detail::cache_line);
}

/// Memory for intermediate results, allocated once and handed out by scratch_frame in stack order.
class scratch_arena {
public:
    /// Allocates the memory.
    /// @param bytes maximum that frames hold at a time; users declare their need: `scratch_bytes(...)`
    explicit scratch_arena(std::size_t bytes) : memory_(bytes) {}

    /// Returns the capacity in bytes.
    [[nodiscard]] std::size_t capacity() const noexcept { return memory_.size(); }
    /// Returns the bytes that frames hold now.
    [[nodiscard]] std::size_t used() const noexcept { return used_; }

private:
    friend class scratch_frame;

    aligned_buffer<std::byte> memory_;
    std::size_t used_ = 0;
};

/// Takes memory from an arena until the end of a scope, which releases all of it. Contents are undefined.
class scratch_frame {
public:
    explicit scratch_frame(scratch_arena& arena) noexcept : arena_(&arena), used_before_(arena.used_) {}
    scratch_frame(const scratch_frame&) = delete;
    scratch_frame& operator=(const scratch_frame&) = delete;
    ~scratch_frame() { arena_->used_ = used_before_; }

    /// Takes `count` values, aligned to a cache line. The arena must have scratch_bytes<T>(count) bytes left.
    template <class T>
        requires std::is_trivially_copyable_v<T>
    [[nodiscard]] std::span<T> take(std::size_t count) noexcept {
        assert(arena_->used_ + scratch_bytes<T>(count) <= arena_->capacity() &&
               "earlyout: a layer takes more scratch "
               "memory than its scratch_bytes()");
        T* const begin = reinterpret_cast<T*>(arena_->memory_.data() + arena_->used_);
        arena_->used_ += scratch_bytes<T>(count);
        return {begin, count};
    }
    /// Takes a contiguous matrix, [rows, cols].
    [[nodiscard]] matrix_view<float> matrix(std::size_t rows, std::size_t cols) noexcept {
        return {take<float>(rows * cols).data(), rows, cols};
    }

private:
    scratch_arena* arena_;
    std::size_t used_before_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
