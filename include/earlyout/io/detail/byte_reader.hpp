// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_BYTE_READER_HPP
#define EARLYOUT_IO_DETAIL_BYTE_READER_HPP

#include <earlyout/core/error.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// Reads a file's bytes from front to back, little-endian, and refuses to read past its end. Items are named by a
/// string or, so that names are only made for errors, a function that returns one.
class byte_reader {
public:
    byte_reader(std::span<const std::byte> bytes, std::string_view source) : bytes_(bytes), source_(source) {}

    [[nodiscard]] std::size_t at() const noexcept { return at_; }
    /// Returns the bytes read from `begin` on.
    [[nodiscard]] std::span<const std::byte> since(std::size_t begin) const noexcept {
        return bytes_.subspan(begin, at_ - begin);
    }

    /// @throws error (malformed_file) when the file is too short; likewise below
    template <class Number, class What>
    [[nodiscard]] Number number(const What& what) {
        static_assert(std::is_arithmetic_v<Number>);
        need(sizeof(Number), 1, what);
        Number made;
        std::memcpy(&made, bytes_.data() + at_, sizeof made);
        at_ += sizeof made;
        return made;
    }
    template <class What>
    [[nodiscard]] std::string_view text(std::uint64_t size, const What& what) {
        const std::size_t begin = at_;
        skip(size, what);
        return {reinterpret_cast<const char*>(bytes_.data()) + begin, at_ - begin};
    }
    /// Skips `count` items of `each` bytes.
    template <class What>
    void skip(std::uint64_t count, const What& what, std::size_t each = 1) {
        need(count, each, what);
        at_ += static_cast<std::size_t>(count) * each;
    }

private:
    template <class What>
    void need(std::uint64_t count, std::size_t each, const What& what) const {
        const std::size_t left = bytes_.size() - at_;
        if (count <= left / each) return;
        const auto name = [&]() -> std::string {
            if constexpr (std::invocable<const What&>) {
                return what();
            } else {
                return what;
            }
        };
        fail(errc::malformed_file, source_, ": ", name(), ": expected ", count, each == 1 ? "" : " values of ",
             each == 1 ? "" : std::to_string(each), " bytes at byte ", at_, ", found ", left,
             " left: the file is truncated or damaged");
    }

    std::span<const std::byte> bytes_;
    std::string_view source_;
    std::size_t at_ = 0;
};

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
