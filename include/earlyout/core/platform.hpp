// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_PLATFORM_HPP
#define EARLYOUT_CORE_PLATFORM_HPP

#include <earlyout/core/config.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#endif
#if !defined(__x86_64__) && !defined(__i386__)
#include <thread>
#endif

/// @file What differs between compilers and systems: attributes, pragmas, prefetching, aligned and mapped memory,
/// files. No other header contains any of it (tests/rules), except for instructions: kernels/arch/.

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

/// Keeps GCC from moving loads past this place where it otherwise moves so many that registers are spilled: on AArch64,
/// whose code it schedules before it allocates registers.
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

/// Requests permission from the system, once per process, to use AMX's tile registers: signal frames grow by 8 KiB.
/// @return whether it is granted
[[nodiscard]] inline bool request_matrix_registers() noexcept {
#if defined(__x86_64__) && defined(__linux__)
    constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
    constexpr long tile_data = 18;
    return ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
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

/// Reserves pages of zeros, which the system provides when they are first written: by any thread, next to the
/// processor it runs on.
/// @param align a power of two, of at least a page, that divides `bytes`
/// @throws std::bad_alloc
[[nodiscard]] inline void* reserve_pages(std::size_t bytes, std::size_t align) {
    void* const found = ::mmap(nullptr, bytes + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED) throw std::bad_alloc();
    auto* const from = static_cast<std::byte*>(found);
    const std::size_t before = (align - reinterpret_cast<std::uintptr_t>(from) % align) % align;
    if (before != 0) (void)::munmap(from, before);
    if (before != align) (void)::munmap(from + before + bytes, align - before);
    return from + before;
}
/// Frees what reserve_pages() returned for the same size.
inline void release_pages(void* memory, std::size_t bytes) noexcept { (void)::munmap(memory, bytes); }

/// Requests huge pages where the system supports them.
inline void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(MADV_HUGEPAGE)
    (void)::madvise(memory, bytes, MADV_HUGEPAGE);
#endif
}

/// What is at a path, links followed.
struct file_facts {
    enum class type { nothing, regular, folder, pipe, other };
    type is = type::nothing;
    std::size_t bytes = 0;  ///< size of a regular file
};

namespace detail {

[[nodiscard]] inline file_facts facts_of(const struct ::stat& about) noexcept {
    using type = file_facts::type;
    if (S_ISREG(about.st_mode)) return {type::regular, static_cast<std::size_t>(about.st_size)};
    return {S_ISDIR(about.st_mode) ? type::folder : S_ISFIFO(about.st_mode) ? type::pipe : type::other, 0};
}

}  // namespace detail

/// Returns what is at a path; `nothing` too if the system cannot tell.
[[nodiscard]] inline file_facts look_at(const char* path) noexcept {
    struct ::stat about {};
    return ::stat(path, &about) == 0 ? detail::facts_of(about) : file_facts{};
}
/// Removes a file. May be called from a signal handler.
inline void remove_file(const char* path) noexcept { (void)::unlink(path); }
/// Renames a file, replacing the target.
/// @return 0, or the system's error number
[[nodiscard]] inline int rename_file(const char* from, const char* to) noexcept {
    return ::rename(from, to) == 0 ? 0 : errno;
}
/// Returns this process's id.
[[nodiscard]] inline long process_id() noexcept { return ::getpid(); }

/// An open file, closed on destruction. Functions that can fail return a negative value and leave the reason in
/// `errno`.
class file {
public:
    file() noexcept = default;
    /// Opens a file for reading, without blocking on a named pipe.
    [[nodiscard]] static file to_read(const char* path) noexcept {
        return file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    }
    /// Opens an existing file for writing, truncating a regular one. A pipe must have a reader (ENXIO).
    [[nodiscard]] static file to_write(const char* path, bool pipe) noexcept {
        return file(::open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | (pipe ? O_NONBLOCK : O_TRUNC)));
    }
    /// Creates a file that must not exist yet (EEXIST).
    [[nodiscard]] static file create(const char* path) noexcept {
        return file(::open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    }
    file(file&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    file& operator=(file&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~file() { (void)close(); }

    [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
    /// Returns the kind of the file; `nothing` if the system cannot tell.
    [[nodiscard]] file_facts facts() const noexcept {
        struct ::stat about {};
        return ::fstat(number_, &about) == 0 ? detail::facts_of(about) : file_facts{};
    }
    /// Makes writes block until there is room, as they do on a pipe not opened by to_write().
    void wait_for_room() noexcept { (void)::fcntl(number_, F_SETFL, ::fcntl(number_, F_GETFL) & ~O_NONBLOCK); }
    /// Reads up to `bytes` bytes and returns how many; 0: end of file.
    [[nodiscard]] std::ptrdiff_t read(void* to, std::size_t bytes) noexcept {
        return again([&] { return ::read(number_, to, std::min(bytes, most)); });
    }
    /// Writes up to `bytes` bytes and returns how many.
    [[nodiscard]] std::ptrdiff_t write(const void* from, std::size_t bytes) noexcept {
        return again([&] { return ::write(number_, from, std::min(bytes, most)); });
    }
    /// Maps all of a file's `bytes` bytes for reading; nullptr when the system refuses.
    [[nodiscard]] const void* map(std::size_t bytes) const noexcept {
        void* const mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, number_, 0);
        return mapped == MAP_FAILED ? nullptr : mapped;
    }
    /// Closes the file if it is open.
    /// @return 0, or the system's error number
    int close() noexcept {
        const int number = std::exchange(number_, -1);
        return number < 0 || ::close(number) == 0 || errno == EINTR ? 0 : errno;
    }

private:
    static constexpr std::size_t most = std::size_t{1} << 30;  // bytes per call

    explicit file(int number) noexcept : number_(number) {}

    template <class Call>
    [[nodiscard]] static std::ptrdiff_t again(Call call) noexcept {
        for (;;) {
            const std::ptrdiff_t count = call();
            if (count >= 0 || errno != EINTR) return count;
        }
    }

    int number_ = -1;
};

/// Unmaps what file::map() returned.
inline void unmap(const void* mapped, std::size_t bytes) noexcept { (void)::munmap(const_cast<void*>(mapped), bytes); }

/// Gives back the memory that holds a part of a mapped file: whole pages within the range. They are read again from the
/// file if they are touched.
inline void discard(const void* mapped, std::size_t bytes) noexcept {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(mapped) + page - 1) / page * page;
    const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(mapped) + bytes) / page * page;
    if (begin < end) (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

/// Returns how many processors this process is bound to; 0: the system does not say.
[[nodiscard]] inline std::size_t bound_processors() noexcept {
#if defined(__linux__)
    cpu_set_t bound;
    CPU_ZERO(&bound);
    if (sched_getaffinity(0, sizeof bound, &bound) == 0) return static_cast<std::size_t>(CPU_COUNT(&bound));
#endif
    return 0;
}

}}}  // namespace earlyout::EARLYOUT_ABI::platform

#endif
