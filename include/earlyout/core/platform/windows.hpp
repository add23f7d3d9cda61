// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_PLATFORM_WINDOWS_HPP
#define EARLYOUT_CORE_PLATFORM_WINDOWS_HPP

#include <earlyout/core/platform.hpp>

#if defined(_WIN32)

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

#include <fcntl.h>
#include <io.h>
#include <sys/stat.h>
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#endif
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#include <windows.h>

/// @file Memory, files and processors as Windows has them; what each function is for is said in posix.hpp. Paths are
/// UTF-16. Compiled by MinGW-w64, and not tested.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace platform {

/// A character of a path, as std::filesystem::path holds them.
using path_char = wchar_t;
/// Returns a std::filesystem::path as text in UTF-8.
template <class Path>
[[nodiscard]] std::string path_text(const Path& path) {
    const auto text = path.u8string();
    return {reinterpret_cast<const char*>(text.data()), text.size()};
}

/// Returns false: the registers are requested on Linux alone.
[[nodiscard]] inline bool request_matrix_registers() noexcept { return false; }

/// Reserves pages of zeros.
/// @throws std::bad_alloc
[[nodiscard]] inline void* reserve_pages(std::size_t bytes, std::size_t align) {
    // Memory is released as it was reserved: as a whole. So a place is looked for first, and may be taken by then.
    for (int tries = 0; tries < 16; ++tries) {
        void* const found = ::VirtualAlloc(nullptr, bytes + align, MEM_RESERVE, PAGE_NOACCESS);
        if (found == nullptr) break;
        const std::uintptr_t at = (reinterpret_cast<std::uintptr_t>(found) + align - 1) / align * align;
        (void)::VirtualFree(found, 0, MEM_RELEASE);
        void* const made = ::VirtualAlloc(reinterpret_cast<void*>(at), bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        if (made != nullptr) return made;
    }
    throw std::bad_alloc();
}
/// Frees what reserve_pages() returned.
inline void release_pages(void* memory, std::size_t) noexcept { (void)::VirtualFree(memory, 0, MEM_RELEASE); }

/// Does nothing: large pages take a privilege.
inline void prefer_huge_pages(void*, std::size_t) noexcept {}

namespace detail {

[[nodiscard]] inline file_facts facts_of(const struct ::_stat64& about) noexcept {
    using type = file_facts::type;
    if ((about.st_mode & _S_IFMT) == _S_IFREG) return {type::regular, static_cast<std::size_t>(about.st_size)};
    return {(about.st_mode & _S_IFMT) == _S_IFDIR ? type::folder : type::other, 0};
}

}  // namespace detail

/// Returns what is at a path; `nothing` too if the system cannot tell.
[[nodiscard]] inline file_facts look_at(const path_char* path) noexcept {
    struct ::_stat64 about {};
    return ::_wstat64(path, &about) == 0 ? detail::facts_of(about) : file_facts{};
}
/// Removes a file.
inline void remove_file(const path_char* path) noexcept { (void)::_wunlink(path); }
/// Renames a file, replacing the target.
/// @return 0, or an error number
[[nodiscard]] inline int rename_file(const path_char* from, const path_char* to) noexcept {
    if (::MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING) != 0) return 0;
    return ::GetLastError() == ERROR_FILE_NOT_FOUND ? ENOENT : EACCES;
}
/// Returns this process's id.
[[nodiscard]] inline long process_id() noexcept { return static_cast<long>(::GetCurrentProcessId()); }

/// An open file, closed on destruction. Functions that can fail return a negative value and leave the reason in
/// `errno`.
class file {
public:
    file() noexcept = default;
    /// Opens a file for reading.
    [[nodiscard]] static file to_read(const path_char* path) noexcept {
        return file(::_wopen(path, _O_RDONLY | _O_BINARY | _O_NOINHERIT));
    }
    /// Opens an existing file for writing, truncating a regular one.
    [[nodiscard]] static file to_write(const path_char* path, bool pipe) noexcept {
        return file(::_wopen(path, _O_WRONLY | _O_BINARY | _O_NOINHERIT | (pipe ? 0 : _O_TRUNC)));
    }
    /// Creates a file that must not exist yet (EEXIST).
    [[nodiscard]] static file create(const path_char* path) noexcept {
        return file(::_wopen(path, _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE));
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
        struct ::_stat64 about {};
        return ::_fstat64(number_, &about) == 0 ? detail::facts_of(about) : file_facts{};
    }
    /// Does nothing: writes block.
    void wait_for_room() noexcept {}
    /// Reads up to `bytes` bytes and returns how many; 0: end of file.
    [[nodiscard]] std::ptrdiff_t read(void* to, std::size_t bytes) noexcept {
        return ::_read(number_, to, static_cast<unsigned>(std::min(bytes, most)));
    }
    /// Writes up to `bytes` bytes and returns how many.
    [[nodiscard]] std::ptrdiff_t write(const void* from, std::size_t bytes) noexcept {
        return ::_write(number_, from, static_cast<unsigned>(std::min(bytes, most)));
    }
    /// Maps all of a file's bytes for reading; nullptr when the system refuses.
    [[nodiscard]] const void* map(std::size_t bytes) const noexcept {
        const auto handle = reinterpret_cast<HANDLE>(::_get_osfhandle(number_));
        const HANDLE mapping = ::CreateFileMappingW(handle, nullptr, PAGE_READONLY, 0, 0, nullptr);
        const void* const mapped = mapping == nullptr ? nullptr : ::MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, bytes);
        if (mapping != nullptr) (void)::CloseHandle(mapping);  // the view keeps it
        if (mapped == nullptr) errno = ENOMEM;
        return mapped;
    }
    /// Closes the file if it is open.
    /// @return 0, or the system's error number
    int close() noexcept {
        const int number = std::exchange(number_, -1);
        return number < 0 || ::_close(number) == 0 ? 0 : errno;
    }

private:
    static constexpr std::size_t most = std::size_t{1} << 30;  // bytes per call

    explicit file(int number) noexcept : number_(number) {}

    int number_ = -1;
};

/// Unmaps what file::map() returned.
inline void unmap(const void* mapped, std::size_t) noexcept { (void)::UnmapViewOfFile(mapped); }

/// Gives back the memory that holds a part of a mapped file: unlocking what is not locked takes it out of the working
/// set.
inline void discard(const void* mapped, std::size_t bytes) noexcept {
    (void)::VirtualUnlock(const_cast<void*>(mapped), bytes);
}

/// Returns how many processors this process is bound to, of its group of at most 64; 0: the system does not say.
[[nodiscard]] inline std::size_t bound_processors() noexcept {
    DWORD_PTR process = 0, system = 0;
    if (::GetProcessAffinityMask(::GetCurrentProcess(), &process, &system) == 0) return 0;
    return static_cast<std::size_t>(std::popcount(static_cast<std::uint64_t>(process)));
}

[[nodiscard]] inline int bind_thread(std::size_t processor) noexcept {
    if (processor >= 8 * sizeof(DWORD_PTR)) return EINVAL;
    return ::SetThreadAffinityMask(::GetCurrentThread(), DWORD_PTR{1} << processor) != 0 ? 0 : EINVAL;
}
[[nodiscard]] inline int set_thread_niceness(int niceness) noexcept {
    const int priority = niceness <= 0   ? THREAD_PRIORITY_NORMAL
                         : niceness < 10 ? THREAD_PRIORITY_BELOW_NORMAL
                                         : THREAD_PRIORITY_LOWEST;
    return ::SetThreadPriority(::GetCurrentThread(), priority) != 0 ? 0 : EINVAL;
}

}}}  // namespace earlyout::EARLYOUT_ABI::platform

#endif
#endif
