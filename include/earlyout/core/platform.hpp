// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_PLATFORM_HPP
#define EARLYOUT_CORE_PLATFORM_HPP

#include <earlyout/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

#if !defined(__x86_64__) && !defined(__i386__)
#include <thread>
#endif

/// @file What differs between compilers and systems: attributes, pragmas, prefetching, aligned memory; mapped memory
/// and files are in platform/, a header for each kind of system. No other header contains any of it (tests/rules),
/// except for instructions: kernels/arch/.

/// Forces a function inline: registers that are passed by reference stay registers.
#define EARLYOUT_ALWAYS_INLINE [[gnu::always_inline]] inline
/// The same for a lambda, after its parameters.
#define EARLYOUT_ALWAYS_INLINE_LAMBDA __attribute__((always_inline))

#define EARLYOUT_DETAIL_PRAGMA_(text) _Pragma(#text)
/// Unrolls the following loop up to `n` times. At -O2 GCC 12 otherwise leaves loops over registers rolled and keeps the
/// registers in memory.
#define EARLYOUT_UNROLL(n) EARLYOUT_DETAIL_PRAGMA_(GCC unroll n)

/// Suppresses warnings about the code of included headers: GCC 12's AVX-512 intrinsics start from a variable
/// initialised by itself.
#if defined(__GNUC__) && !defined(__clang__)
#define EARLYOUT_DETAIL_FOREIGN_BEGIN                                                    \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wuninitialized\"") \
        _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"")
#define EARLYOUT_DETAIL_FOREIGN_END _Pragma("GCC diagnostic pop")
#else
#define EARLYOUT_DETAIL_FOREIGN_BEGIN
#define EARLYOUT_DETAIL_FOREIGN_END
#endif

namespace earlyout { inline namespace EARLYOUT_ABI { namespace platform {

/// Prefetches the line at an address, which need not be valid, to a core's L2 cache.
EARLYOUT_ALWAYS_INLINE void prefetch(std::uintptr_t address) noexcept {
    __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 2);
}
/// Returns true where a stream that is read once gains from software prefetch: on Intel's processors. Measured with
/// products of one token: a third more bytes per second on a Xeon of the fifth generation, a tenth less on Zen 4.
[[nodiscard]] inline bool prefetches_streams() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    static const bool intel = [] {
        __builtin_cpu_init();
        return __builtin_cpu_is("intel") != 0;
    }();
    return intel;
#else
    return false;
#endif
}
/// Prefetches the line at an address for writing.
EARLYOUT_ALWAYS_INLINE void prefetch_to_write(const void* address) noexcept { __builtin_prefetch(address, 1); }

/// Keeps the compiler from moving writes past this place: for instructions that it does not know to read memory.
EARLYOUT_ALWAYS_INLINE void write_all() noexcept { asm volatile("" ::: "memory"); }

/// Keeps GCC from moving loads past this place where what it moves would spill registers: on AArch64, whose code it
/// schedules before it allocates registers.
EARLYOUT_ALWAYS_INLINE void keep_load_order() noexcept {
#if defined(__aarch64__)
    asm volatile("" ::: "memory");
#endif
}

/// Returns a vector as the result of an instruction: GCC then keeps it in a register, where it otherwise loads it again
/// for each of the instructions that use it.
template <class Vector>
[[nodiscard]] EARLYOUT_ALWAYS_INLINE Vector in_register(Vector value) noexcept {
#if defined(__x86_64__) || defined(__i386__)
    asm("" : "+v"(value));
#elif defined(__aarch64__)
    asm("" : "+w"(value));
#endif
    return value;
}

/// Tells the processor that this thread spins.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}

/// Allocates uninitialised memory.
/// @param align a power of two that divides `bytes`
/// @throws std::bad_alloc
[[nodiscard]] inline void* allocate(std::size_t bytes, std::size_t align) {
    return ::operator new(bytes, std::align_val_t{align});
}
/// Frees what allocate() returned for the same alignment.
inline void release(void* memory, std::size_t align) noexcept { ::operator delete(memory, std::align_val_t{align}); }

/// What is at a path, links followed.
struct file_facts {
    enum class type { nothing, regular, folder, pipe, other };
    type is = type::nothing;
    std::size_t bytes = 0;  ///< size of a regular file
};

}}}  // namespace earlyout::EARLYOUT_ABI::platform

#if defined(_WIN32)
#include <earlyout/core/platform/windows.hpp>
#else
#include <earlyout/core/platform/posix.hpp>
#endif

#endif
