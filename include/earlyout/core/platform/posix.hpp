// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_PLATFORM_POSIX_HPP
#define EARLYOUT_CORE_PLATFORM_POSIX_HPP

#include <earlyout/core/platform.hpp>

#if !defined(_WIN32)

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#endif

/// @file Memory, files and processors as POSIX systems have them.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace platform {

/// A character of a path, as std::filesystem::path holds them.
using path_char = char;
/// Returns a std::filesystem::path as text, without allocating.
template <class Path>
[[nodiscard]] std::string_view path_text(const Path& path) noexcept {
    return path.native();
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

namespace detail {

[[nodiscard]] inline file_facts facts_of(const struct ::stat& about) noexcept {
    using type = file_facts::type;
    if (S_ISREG(about.st_mode)) return {type::regular, static_cast<std::size_t>(about.st_size)};
    return {S_ISDIR(about.st_mode) ? type::folder : S_ISFIFO(about.st_mode) ? type::pipe : type::other, 0};
}

}  // namespace detail

/// Returns what is at a path; `nothing` too if the system cannot tell.
[[nodiscard]] inline file_facts look_at(const path_char* path) noexcept {
    struct ::stat about {};
    return ::stat(path, &about) == 0 ? detail::facts_of(about) : file_facts{};
}
/// Removes a file. May be called from a signal handler.
inline void remove_file(const path_char* path) noexcept { (void)::unlink(path); }
/// Renames a file, replacing the target.
/// @return 0, or the system's error number
[[nodiscard]] inline int rename_file(const path_char* from, const path_char* to) noexcept {
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
    [[nodiscard]] static file to_read(const path_char* path) noexcept {
        return file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    }
    /// Opens an existing file for writing, truncating a regular one. A pipe must have a reader (ENXIO).
    [[nodiscard]] static file to_write(const path_char* path, bool pipe) noexcept {
        return file(::open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | (pipe ? O_NONBLOCK : O_TRUNC)));
    }
    /// Creates a file that must not exist yet (EEXIST).
    [[nodiscard]] static file create(const path_char* path) noexcept {
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

/// Binds the calling thread to one processor, by the system's number.
/// @return 0, or the error number
[[nodiscard]] inline int bind_thread([[maybe_unused]] std::size_t processor) noexcept {
#if defined(__linux__)
    if (processor >= CPU_SETSIZE) return EINVAL;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0 ? 0 : errno;
#else
    return ENOTSUP;
#endif
}
/// Lets the calling thread give way to others, by a niceness of 0 .. 19 in place of its own.
/// @return 0, or the error number
[[nodiscard]] inline int set_thread_niceness([[maybe_unused]] int niceness) noexcept {
#if defined(__linux__)
    // Linux has one for each thread, which setpriority sets, against POSIX.
    return ::setpriority(PRIO_PROCESS, 0, niceness) == 0 ? 0 : errno;
#else
    return ENOTSUP;
#endif
}

}}}  // namespace earlyout::EARLYOUT_ABI::platform

#endif
#endif
