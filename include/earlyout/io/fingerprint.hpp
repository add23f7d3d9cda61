// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_FINGERPRINT_HPP
#define EARLYOUT_IO_FINGERPRINT_HPP

#include <earlyout/weights/checkpoint.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// A 64-bit hash of named tensors, to identify a set of weights. It does not resist forgery.
///
/// Tensors are added in the order of their names, so that the hash does not depend on how a model is sharded. Over
/// 8-byte little-endian words w of a byte string, zeros after its end, in four interleaved lanes
/// h = (h xor w) * 0x9e3779b97f4a7c15, h ^= h >> 32; lanes and the length are then folded the same way.
class fingerprint {
public:
    void add(const tensor_view& tensor) noexcept {
        add_bytes(std::as_bytes(std::span(tensor.name)));
        const std::string_view type = to_string(tensor.type);
        add_bytes(std::as_bytes(std::span(type)));
        for (const std::size_t extent : tensor.shape) fold(extent);
        add_bytes(tensor.bytes);
    }

    /// Adds a text, for stamps of other things than weights.
    void add_text(std::string_view text) noexcept { add_bytes(std::as_bytes(std::span(text))); }

    /// Returns 16 hexadecimal digits.
    [[nodiscard]] std::string text() const {
        static constexpr std::string_view digits = "0123456789abcdef";
        std::string made;
        for (int shift = 60; shift >= 0; shift -= 4) made += digits[(state_ >> shift) & 15];
        return made;
    }

private:
    static constexpr std::uint64_t step(std::uint64_t h, std::uint64_t w) noexcept {
        h = (h ^ w) * 0x9e3779b97f4a7c15u;
        return h ^ (h >> 32);
    }
    void fold(std::uint64_t w) noexcept { state_ = step(state_, w); }

    void add_bytes(std::span<const std::byte> bytes) noexcept {
        std::array<std::uint64_t, 4> lanes{1, 2, 3, 4};
        std::array<std::uint64_t, 4> words{};
        std::size_t at = 0;
        for (; at + sizeof words <= bytes.size(); at += sizeof words) {
            std::memcpy(words.data(), bytes.data() + at, sizeof words);
            for (std::size_t i = 0; i < 4; ++i) lanes[i] = step(lanes[i], words[i]);
        }
        if (at < bytes.size()) {
            words = {};
            std::memcpy(words.data(), bytes.data() + at, bytes.size() - at);
            for (std::size_t i = 0; i < 4; ++i) lanes[i] = step(lanes[i], words[i]);
        }
        for (const std::uint64_t lane : lanes) fold(lane);
        fold(bytes.size());
    }

    std::uint64_t state_ = 0;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
