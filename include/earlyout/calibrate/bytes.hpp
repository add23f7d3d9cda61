// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_BYTES_HPP
#define EARLYOUT_CALIBRATE_BYTES_HPP

#include <earlyout/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Calls `archive` with a result's members: arithmetic and enumeration types, strings, vectors and other results. One
/// function both writes and reads, so that the two cannot differ.
///
///     struct my_result {
///         std::size_t count = 0;
///         void archive(auto& a) { a(count); }
///     };
template <class Result, class Archive>
concept archived_by = requires(Result& result, Archive& a) { result.archive(a); };

namespace detail {

/// Values whose bytes are stored as they are in memory.
template <class T>
inline constexpr bool is_plain = std::is_arithmetic_v<T> || std::is_enum_v<T>;
/// ... and those of a vector in one piece: std::vector<bool> has none.
template <class T>
inline constexpr bool is_plain_in_vector = is_plain<T> && !std::is_same_v<T, bool>;

}  // namespace detail

/// Serializes results for another process of the same program on the same kind of machine: numbers are stored as they
/// are in memory.
class byte_writer {
public:
    template <class... Values>
    void operator()(const Values&... values) {
        (write(values), ...);
    }
    [[nodiscard]] std::vector<std::byte> take() noexcept { return std::move(bytes_); }

private:
    template <class T>
    void write(const T& value) {
        if constexpr (detail::is_plain<T>) {
            const auto* const from = reinterpret_cast<const std::byte*>(&value);
            bytes_.insert(bytes_.end(), from, from + sizeof value);
        } else if constexpr (archived_by<T, byte_writer>) {
            const_cast<T&>(value).archive(*this);  // which only reads it
        } else {
            archive(*this, const_cast<T&>(value));
        }
    }
    template <class T>
    void write(const std::vector<T>& values) {
        write(static_cast<std::uint64_t>(values.size()));
        if constexpr (detail::is_plain_in_vector<T>) {
            const auto* const from = reinterpret_cast<const std::byte*>(values.data());
            bytes_.insert(bytes_.end(), from, from + values.size() * sizeof(T));
        } else {
            for (const T& value : values) write(value);
        }
    }
    void write(const std::string& text) {
        write(static_cast<std::uint64_t>(text.size()));
        const auto* const from = reinterpret_cast<const std::byte*>(text.data());
        bytes_.insert(bytes_.end(), from, from + text.size());
    }

    std::vector<std::byte> bytes_;
};

/// Deserializes what byte_writer wrote.
class byte_reader {
public:
    explicit byte_reader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

    /// @throws error (malformed_file) when the bytes end too early
    template <class... Values>
    void operator()(Values&... values) {
        (read(values), ...);
    }
    [[nodiscard]] bool is_at_end() const noexcept { return bytes_.empty(); }

private:
    [[nodiscard]] std::span<const std::byte> next(std::uint64_t count) {
        if (count > bytes_.size()) {
            fail(errc::malformed_file, "result: expected ", count, " more bytes, found ", bytes_.size());
        }
        const auto found = bytes_.first(static_cast<std::size_t>(count));
        bytes_ = bytes_.subspan(found.size());
        return found;
    }
    template <class T>
    void read(T& value) {
        if constexpr (detail::is_plain<T>) {
            std::memcpy(&value, next(sizeof value).data(), sizeof value);
        } else if constexpr (archived_by<T, byte_reader>) {
            value.archive(*this);
        } else {
            archive(*this, value);
        }
    }
    template <class T>
    void read(std::vector<T>& values) {
        std::uint64_t count = 0;
        read(count);
        constexpr std::size_t least = detail::is_plain<T> ? sizeof(T) : 1;  // bytes of a value
        if (count > bytes_.size() / least) {
            fail(errc::malformed_file, "result: expected ", count, " more values, found ", bytes_.size(), " bytes");
        }
        values.assign(static_cast<std::size_t>(count), T());
        if constexpr (detail::is_plain_in_vector<T>) {
            if (count != 0) std::memcpy(values.data(), next(count * sizeof(T)).data(), values.size() * sizeof(T));
        } else {
            for (T& value : values) read(value);
        }
    }
    void read(std::string& text) {
        std::uint64_t count = 0;
        read(count);
        const auto from = next(count);
        text.assign(reinterpret_cast<const char*>(from.data()), from.size());
    }

    std::span<const std::byte> bytes_;
};

/// Returns a result as bytes, to be sent to the process that merges it.
template <class Result>
[[nodiscard]] std::vector<std::byte> to_bytes(const Result& result) {
    byte_writer writer;
    writer(result);
    return writer.take();
}

/// Returns the result that was passed to to_bytes().
/// @throws error (malformed_file) for any other bytes
template <class Result>
[[nodiscard]] Result from_bytes(std::span<const std::byte> bytes) {
    Result made{};
    byte_reader reader(bytes);
    reader(made);
    if (!reader.is_at_end()) fail(errc::malformed_file, "result: expected its end, found more bytes");
    return made;
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
