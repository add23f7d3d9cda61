// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_BUFFERS_HPP
#define EARLYOUT_TESTS_SUPPORT_BUFFERS_HPP

#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

namespace support {

inline constexpr float infinity = std::numeric_limits<float>::infinity();

/// Floats aligned to 4 bytes and no more, the last of which ends its allocation: AddressSanitizer detects reads past
/// them, intact() detects writes.
class misaligned {
public:
    explicit misaligned(std::size_t size, float value = 0.0f) : all_(size + 1, value) { all_[0] = canary; }
    explicit misaligned(std::span<const float> values) : misaligned(values.size()) {
        if (!values.empty()) std::memcpy(data(), values.data(), values.size_bytes());
    }

    float* data() { return all_.data() + 1; }
    const float* data() const { return all_.data() + 1; }
    std::size_t size() const { return all_.size() - 1; }
    float operator[](std::size_t index) const { return data()[index]; }
    float& operator[](std::size_t index) { return data()[index]; }
    std::span<const float> span() const { return {data(), size()}; }
    bool intact() const { return all_[0] == canary; }

private:
    static constexpr float canary = 12345.678f;
    std::vector<float> all_;
};

/// Compares bit for bit.
inline bool same_bits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

}  // namespace support

#endif
