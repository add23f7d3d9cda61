// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_WEIGHT_ARENA_HPP
#define EARLYOUT_WEIGHTS_WEIGHT_ARENA_HPP

#include <earlyout/core/aligned_buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Places many matrices next to each other in huge pages, so that those too small for a page of their own are streamed
/// as fast as large ones. Buffers made from it keep their memory alive; the arena itself may be destroyed.
class weight_arena {
public:
    /// @param chunk bytes taken from the system at a time; unused memory is never touched
    explicit weight_arena(std::size_t chunk = std::size_t{64} << 20) : chunk_(chunk) {}

    /// Makes an arena that hands out nothing: for matrices that attach existing memory.
    [[nodiscard]] static weight_arena without_memory() noexcept {
        weight_arena made(0);
        made.empty_ = true;
        return made;
    }

    /// Returns a buffer of zeros, in the arena or, without one, in separate memory.
    template <class T>
    [[nodiscard]] static aligned_buffer<T> make(weight_arena* arena, std::size_t size) {
        return arena == nullptr ? aligned_buffer<T>(size) : arena->make<T>(size);
    }

private:
    template <class T>
    [[nodiscard]] aligned_buffer<T> make(std::size_t size) {
        const std::size_t bytes = round_up(size * sizeof(T), aligned_buffer<T>::alignment);
        if (bytes == 0 || empty_) return {};
        if (bytes > left_) {
            left_ = round_up(std::max(chunk_, bytes), aligned_buffer<T>::huge_page);
            memory_ = detail::allocate_aligned(left_);
            next_ = memory_.get();
        }
        std::byte* const at = next_;
        next_ += bytes;
        left_ -= bytes;
        return aligned_buffer<T>(std::shared_ptr<std::byte>(memory_, at), size);
    }

    std::size_t chunk_;
    bool empty_ = false;
    std::shared_ptr<std::byte> memory_;
    std::byte* next_ = nullptr;
    std::size_t left_ = 0;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
