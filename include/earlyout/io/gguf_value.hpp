// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GGUF_VALUE_HPP
#define EARLYOUT_IO_GGUF_VALUE_HPP

#include <earlyout/core/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Type of a metadata value, with the file's numbers.
enum class gguf_type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

[[nodiscard]] constexpr const char* to_string(gguf_type type) noexcept {
    constexpr std::array names{"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                               "bool", "string", "array", "u64", "i64", "f64"};
    const auto index = static_cast<std::size_t>(type);
    return index < names.size() ? names[index] : "unknown";
}

/// Returns the bytes of a number of that type.
[[nodiscard]] constexpr std::size_t size_of(gguf_type type) noexcept {
    switch (type) {
        case gguf_type::u8:
        case gguf_type::i8:
        case gguf_type::boolean: return 1;
        case gguf_type::u16:
        case gguf_type::i16: return 2;
        case gguf_type::u64:
        case gguf_type::i64:
        case gguf_type::f64: return 8;
        default: return 4;
    }
}
[[nodiscard]] constexpr bool is_integer(gguf_type type) noexcept {
    return type <= gguf_type::i32 || type == gguf_type::u64 || type == gguf_type::i64;
}

/// A metadata value as stored in the file.
struct gguf_value {
    gguf_type type = gguf_type::u8;  ///< of the value, or of an array's elements
    bool is_array = false;
    std::uint64_t count = 1;           ///< elements of an array
    std::span<const std::byte> bytes;  ///< numbers little-endian; strings prefixed by their length in 8 bytes
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
