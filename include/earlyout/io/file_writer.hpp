// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_FILE_WRITER_HPP
#define EARLYOUT_IO_FILE_WRITER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/platform.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {
namespace detail {

/// Names of files that are being written, for a signal handler to remove: lock-free.
struct partial_files {
    static constexpr std::size_t max_files = 64;
    std::atomic<platform::path_char*> names[max_files] = {};
    std::atomic<bool> removed{false};
    std::atomic<unsigned> made{0};

    [[nodiscard]] static partial_files& all() noexcept {
        static partial_files only;
        return only;
    }
    /// @return its slot, or max_files when there is no room
    std::size_t note(const std::filesystem::path& path) {
        const auto& text = path.native();
        const std::size_t bytes = (text.size() + 1) * sizeof(platform::path_char);
        auto* const name = static_cast<platform::path_char*>(std::malloc(bytes));
        if (name == nullptr) throw std::bad_alloc();
        std::memcpy(name, text.c_str(), bytes);
        for (std::size_t i = 0; i < max_files; ++i) {
            platform::path_char* expected = nullptr;
            if (names[i].compare_exchange_strong(expected, name)) return i;
        }
        std::free(name);
        return max_files;
    }
    void forget(std::size_t place) noexcept {
        if (place < max_files) std::free(names[place].exchange(nullptr));
    }
};

}  // namespace detail

/// Removes every file that a file_writer of this program has begun and not finished: for a program that is about to end
/// on a signal. May be called from a signal handler, after which no writer finishes.
inline void remove_partial_files() noexcept {
    detail::partial_files& all = detail::partial_files::all();
    all.removed = true;
    for (auto& place : all.names) {
        if (auto* const name = place.exchange(nullptr)) platform::remove_file(name);  // not freed: a handler must not
    }
}

/// Writes a file atomically: under a temporary name in the same folder, renamed when it is finished. Links are
/// followed, and pipes and devices are written to directly; neither is replaced.
class file_writer {
public:
    /// Opens it, so that a path that cannot be written is refused before the content is computed.
    /// @throws error (io) with the system's reason
    explicit file_writer(const std::filesystem::path& path) : path_(path.string()), place_(followed(path)) {
        using type = platform::file_facts::type;
        const type found = platform::look_at(place_.c_str()).is;
        if (found == type::folder) refuse("it is a folder");
        direct_ = found != type::nothing && found != type::regular;
        if (direct_) {
            open_direct(found == type::pipe);
        } else {
            open_beside();
        }
    }
    /// Removes an unfinished file.
    ~file_writer() { discard(); }
    file_writer(const file_writer&) = delete;
    file_writer& operator=(const file_writer&) = delete;

    /// @throws error (io) with the system's reason, likewise below
    void write(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            constexpr std::size_t step = std::size_t{1} << 26;
            const std::ptrdiff_t count = file_.write(bytes.data(), std::min(bytes.size(), step));
            if (count < 0) refuse(std::strerror(errno));
            bytes = bytes.subspan(static_cast<std::size_t>(count));
            written_ += static_cast<std::size_t>(count);
        }
    }
    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

    /// Renames the file to its target. Nothing may be written afterwards.
    void finish() {
        if (const int problem = file_.close(); problem != 0) refuse(std::strerror(problem));
        if (direct_) return;
        if (const int problem = platform::rename_file(partial_.c_str(), place_.c_str()); problem != 0) {
            refuse(std::strerror(problem));
        }
        detail::partial_files::all().forget(std::exchange(noted_, detail::partial_files::max_files));
        partial_.clear();
    }

    /// Returns the bytes written so far.
    [[nodiscard]] std::size_t bytes_written() const noexcept { return written_; }

private:
    [[noreturn]] void refuse(std::string_view why) const {
        fail(errc::io, path_, ": cannot be written: ", std::string(why));
    }

    /// Returns the target of a path's links, whether it exists or not.
    [[nodiscard]] std::filesystem::path followed(std::filesystem::path path) const {
        constexpr int max_links = 40;
        for (int links = 0; links < max_links; ++links) {
            std::error_code problem;
            if (!std::filesystem::is_symlink(std::filesystem::symlink_status(path, problem))) return path;
            const std::filesystem::path target = std::filesystem::read_symlink(path, problem);
            if (problem) refuse(problem.message());
            // The target of /proc/self/fd/N may have no name, and is written to directly.
            using type = platform::file_facts::type;
            const type found = platform::look_at(path.c_str()).is;
            if (found != type::nothing && found != type::regular) return path;
            path = target.is_absolute() ? target : path.parent_path() / target;
        }
        refuse(std::strerror(ELOOP));
    }
    void open_direct(bool pipe) {
        // Opening a pipe without a reader would block; its reader may be starting just now.
        constexpr int tries = 20;
        for (int i = 0; i < tries; ++i) {
            file_ = platform::file::to_write(place_.c_str(), pipe);
            if (file_.is_open() || !pipe || errno != ENXIO) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        if (!file_.is_open()) {
            refuse(errno == ENXIO && pipe ? "it is a pipe that no program reads" : std::strerror(errno));
        }
        if (pipe) file_.wait_for_room();
    }
    void open_beside() {
        detail::partial_files& all = detail::partial_files::all();
        do {
            detail::partial_files::all().forget(noted_);
            partial_ = place_;
            partial_ += ".partial" + std::to_string(platform::process_id());
            if (const unsigned before = all.made++; before != 0) partial_ += "." + std::to_string(before);
            noted_ = all.note(partial_);
            file_ = platform::file::create(partial_.c_str());
        } while (!file_.is_open() && errno == EEXIST);
        const int problem = errno;
        if (file_.is_open() && !all.removed) return;
        if (file_.is_open()) platform::remove_file(partial_.c_str());
        all.forget(std::exchange(noted_, detail::partial_files::max_files));
        (void)file_.close();
        partial_.clear();
        refuse(all.removed ? "the program is ending" : std::strerror(problem));
    }
    void discard() noexcept {
        (void)file_.close();
        if (!partial_.empty()) platform::remove_file(partial_.c_str());
        detail::partial_files::all().forget(noted_);
    }

    std::string path_;
    std::filesystem::path place_;
    std::filesystem::path partial_;  ///< empty: written directly, or finished
    std::size_t noted_ = detail::partial_files::max_files;
    std::size_t written_ = 0;
    platform::file file_;
    bool direct_ = false;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
