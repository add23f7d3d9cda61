// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_MAPPED_FILE_HPP
#define EARLYOUT_IO_MAPPED_FILE_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/platform.hpp>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// How a program accesses a file's bytes.
enum class file_access {
    mapped,  ///< in place: read when touched, shared between processes. While it is in use the file must not be written
             ///< to or shortened (the program would end with SIGBUS); replacing it by rename is safe
    copied   ///< read into memory at once: independent of later changes to the file
};

/// A regular file's bytes, read-only.
class mapped_file {
public:
    /// @throws error (no_such_file) when it is not a readable regular file, (io) when mapping or reading fails
    explicit mapped_file(const std::filesystem::path& path, file_access access = file_access::mapped)
        : path_(path.string()) {
        platform::file file = platform::file::to_read(path.c_str());
        if (!file.is_open()) fail(errc::no_such_file, path_, ": cannot be opened: ", std::strerror(errno));
        using type = platform::file_facts::type;
        const platform::file_facts facts = file.facts();
        if (facts.is != type::regular) {
            fail(errc::no_such_file, path_, ": expected a file, found ",
                 facts.is == type::folder ? "a folder" : "something else");
        }
        size_ = facts.bytes;
        if (size_ > 0 && access == file_access::copied) {
            read_all(file);
        } else if (size_ > 0) {
            const void* const mapped = file.map(size_);
            if (mapped == nullptr) fail(errc::io, path_, ": cannot be mapped: ", std::strerror(errno));
            data_ = static_cast<const std::byte*>(mapped);
        }
    }
    mapped_file(mapped_file&& other) noexcept
        : path_(std::move(other.path_)),
          copy_(std::move(other.copy_)),
          data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    mapped_file& operator=(mapped_file&& other) noexcept {
        mapped_file taken(std::move(other));
        std::swap(path_, taken.path_);
        std::swap(copy_, taken.copy_);
        std::swap(data_, taken.data_);
        std::swap(size_, taken.size_);
        return *this;
    }
    ~mapped_file() {
        if (data_ != nullptr && copy_ == nullptr) platform::unmap(data_, size_);
    }

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
    [[nodiscard]] std::string_view text() const noexcept {
        return size_ == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(data_), size_);
    }

    /// Gives back the memory of a part of a mapped file, which is read again if it is touched. Nothing for bytes of
    /// other memory.
    void discard(std::span<const std::byte> part) const noexcept {
        const std::less<> before;
        if (copy_ != nullptr || data_ == nullptr || part.empty() || before(part.data(), data_) ||
            before(data_ + size_, part.data() + part.size())) {
            return;
        }
        platform::discard(part.data(), part.size());
    }

private:
    void read_all(platform::file& file) {
        copy_ = earlyout::detail::only_errors(path_, [&] { return earlyout::detail::allocate_aligned(size_); });
        for (std::size_t at = 0; at < size_;) {
            const std::ptrdiff_t count = file.read(copy_.get() + at, size_ - at);
            if (count < 0) fail(errc::io, path_, ": cannot be read: ", std::strerror(errno));
            if (count == 0) fail(errc::io, path_, ": expected ", size_, " bytes, found ", at, ": it was shortened");
            at += static_cast<std::size_t>(count);
        }
        data_ = copy_.get();
    }

    std::string path_;
    std::shared_ptr<std::byte> copy_;  ///< empty: mapped
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
