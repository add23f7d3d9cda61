// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_BYTE_ALPHABET_HPP
#define EARLYOUT_TEXT_DETAIL_BYTE_ALPHABET_HPP

#include <earlyout/text/detail/utf8.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// GPT-2's spelling of bytes as printable characters, as tokenizer files use it: a byte whose Latin-1 character is
/// printable is spelled as itself, the other 68 are U+0100, U+0101, ... in order.
class byte_alphabet {
public:
    constexpr byte_alphabet() {
        bytes_.fill(-1);
        std::size_t next = 256;
        for (int byte = 0; byte < 256; ++byte) {
            const bool printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
            bytes_[printable ? static_cast<std::size_t>(byte) : next++] = byte;
        }
    }

    /// Returns the bytes that `spelled` (valid UTF-8) denotes; none when a character of it is not in the alphabet.
    [[nodiscard]] std::optional<std::string> bytes(std::string_view spelled) const {
        std::string found;
        while (!spelled.empty()) {
            const std::size_t size = look_at_utf8(spelled).needed;
            const char32_t code = utf8_code_point(spelled, size);
            if (code >= bytes_.size() || bytes_[code] < 0) return std::nullopt;
            found += static_cast<char>(bytes_[code]);
            spelled.remove_prefix(size);
        }
        return found;
    }

private:
    std::array<int, 256 + 68> bytes_{};
};

inline constexpr byte_alphabet gpt2_alphabet;

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
