// SPDX-License-Identifier: MIT
// Replaces this program's operator new, for one source file of a program: that file defines support::take_or_null.
#ifndef EARLYOUT_TESTS_SUPPORT_REPLACED_NEW_HPP
#define EARLYOUT_TESTS_SUPPORT_REPLACED_NEW_HPP

#include <cstddef>
#include <cstdlib>
#include <new>

namespace support {

/// Every allocation of the program: null makes it fail. Defined by the file that includes this one.
/// @param alignment 0 where the default suffices
void* take_or_null(std::size_t size, std::size_t alignment) noexcept;

inline void* allocate(std::size_t size, std::size_t alignment) noexcept {
    if (alignment <= alignof(std::max_align_t)) return std::malloc(size);
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
inline void* take(std::size_t size, std::size_t alignment) {
    void* const made = take_or_null(size, alignment);
    if (made == nullptr) throw std::bad_alloc();
    return made;
}

}  // namespace support

// GCC reports free() as a mismatch with the operators that it belongs to.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif
// The standard does not let replacements be inline.
// NOLINTBEGIN(misc-definitions-in-headers)
void* operator new(std::size_t size) { return support::take(size, 0); }
void* operator new[](std::size_t size) { return support::take(size, 0); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return support::take_or_null(size, 0); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return support::take_or_null(size, 0); }
void* operator new(std::size_t size, std::align_val_t a) { return support::take(size, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t size, std::align_val_t a) { return support::take(size, static_cast<std::size_t>(a)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
// NOLINTEND(misc-definitions-in-headers)

#endif
