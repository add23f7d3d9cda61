// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_CHECKED_FILE_HPP
#define EARLYOUT_GENERATE_DETAIL_CHECKED_FILE_HPP

#include <earlyout/core/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

/// @file Files that begin with a magic word and a version and end with a checksum; numbers are little-endian.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// FNV-1a, 64 bits.
class running_checksum {
public:
    void add(std::span<const char> bytes) noexcept {
        for (const char byte : bytes) sum_ = (sum_ ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
    }
    [[nodiscard]] std::uint64_t value() const noexcept { return sum_; }

private:
    std::uint64_t sum_ = 0xcbf29ce484222325u;
};

/// Writes such a file.
class checked_writer {
public:
    /// @param name in messages
    checked_writer(std::ostream& out, std::string_view name, std::string_view magic, std::uint32_t version)
        : out_(out), name_(name) {
        write(magic);
        number<std::uint32_t>(version);
    }

    template <class Unsigned>
    void number(Unsigned value) {
        std::array<char, sizeof(Unsigned)> bytes{};
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(value >> (8 * i) & 0xffu);
        write({bytes.data(), bytes.size()});
    }
    /// Writes a text with its size.
    void text(std::string_view value) {
        number<std::uint32_t>(static_cast<std::uint32_t>(value.size()));
        write(value);
    }
    void write(std::string_view bytes) {
        checksum_.add(bytes);
        out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    /// Throws io.
    void finish() {
        number<std::uint64_t>(checksum_.value());
        out_.flush();
        if (!out_) fail(errc::io, name_, ": cannot be written");
    }

private:
    std::ostream& out_;
    std::string_view name_;
    running_checksum checksum_;
};

/// Reads such a file, of which nothing is trusted. Throws malformed_file, unsupported for another version, io.
class checked_reader {
public:
    /// @param name in messages
    /// @param kind what such a file is
    checked_reader(std::istream& in, std::string_view name, std::string_view magic, std::uint32_t version,
                   std::string_view kind)
        : in_(in), name_(name) {
        std::string found(magic.size(), '\0');
        read(found, "magic");
        if (found != magic) {
            fail(errc::malformed_file, name_, ": magic: expected \"", magic, "\", found \"", found, "\": it is no ",
                 kind);
        }
        const auto found_version = number<std::uint32_t>("version");
        if (found_version != version) {
            fail(errc::unsupported, name_, ": version: expected ", version, ", found ", found_version);
        }
    }

    [[nodiscard]] std::string_view name() const noexcept { return name_; }

    template <class Unsigned>
    [[nodiscard]] Unsigned number(std::string_view what) {
        std::array<char, sizeof(Unsigned)> bytes{};
        read(bytes, what);
        Unsigned value = 0;
        for (std::size_t i = bytes.size(); i-- > 0;) {
            value = static_cast<Unsigned>(value << 8 | static_cast<unsigned char>(bytes[i]));
        }
        return value;
    }
    /// Reads a number that must have this value. Throws mismatch.
    template <class Unsigned>
    void expect_number(std::string_view what, std::uint64_t expected) {
        const auto found = number<Unsigned>(what);
        if (found != expected) fail(errc::mismatch, name_, ": ", what, ": expected ", expected, ", found ", found);
    }
    /// Reads a text that must be this one. Throws mismatch.
    void expect_text(std::string_view what, std::string_view expected, std::size_t max_size) {
        const auto size = number<std::uint32_t>(what);
        if (size > max_size) {
            fail(errc::malformed_file, name_, ": ", what, ": expected at most ", max_size, " bytes, found ", size);
        }
        std::string found(size, '\0');
        read(found, what);
        if (found != expected) {
            fail(errc::mismatch, name_, ": ", what, ": expected \"", expected, "\", found \"", found, "\"");
        }
    }
    void read(std::span<char> bytes, std::string_view what) {
        in_.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        const auto count = static_cast<std::size_t>(in_.gcount());
        if (in_.bad()) fail(errc::io, name_, ": cannot be read");
        if (count != bytes.size()) {
            fail(errc::malformed_file, name_, ": ", what, ": expected ", bytes.size(), " bytes, found ", count,
                 " left: the file is truncated or damaged");
        }
        checksum_.add(bytes);
    }
    /// Checks that the file ends here, as it was written.
    void finish() {
        const std::uint64_t expected = checksum_.value(), stored = number<std::uint64_t>("checksum");
        if (stored != expected) {
            fail(errc::malformed_file, name_, ": checksum: expected ", expected, ", found ", stored, ": it is damaged");
        }
        if (in_.peek() != std::istream::traits_type::eof()) {
            fail(errc::malformed_file, name_, ": end: expected nothing after the checksum, found more bytes");
        }
    }

private:
    std::istream& in_;
    std::string_view name_;
    running_checksum checksum_;
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
