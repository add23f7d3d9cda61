// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_BYTE_DOT_HPP
#define EARLYOUT_KERNELS_BYTE_DOT_HPP

#include <earlyout/kernels/simd.hpp>

#include <cstddef>
#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Returns sum + the products of four unsigned bytes of `a` with four signed bytes of `b`, in each 32-bit lane: the
/// same integers with every instruction set.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum) noexcept {
    return arch::byte_dot(a, b, sum, arch::best<Arch>{});
}

/// What is known of the bytes of codes that are multiplied with signed ones.
enum class code_bytes {
    any,      ///< nothing: 0 .. 255
    small,    ///< 0 .. 127, or signed where products take signed bytes
    less_128  ///< 0 .. 255, of which 128 is subtracted before they are multiplied
};

/// True if codes up to 127 have a faster product of their own.
template <class Arch>
inline constexpr bool has_byte_dot_small =
    requires(const int_batch<Arch>& a) { arch::byte_dot_small(a, a, a, arch::best<Arch>{}); };

/// True if products of signed bytes are faster.
template <class Arch>
inline constexpr bool has_byte_dot_signed =
    requires(const int_batch<Arch>& a) { arch::byte_dot_signed(a, a, a, arch::best<Arch>{}); };

/// The same where `Bytes` is known of `a`.
/// @param b signed bytes above -128, as four_values() returns them
template <class Arch, code_bytes Bytes, class B>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> byte_dot(const int_batch<Arch>& a, const B& b,
                                                const int_batch<Arch>& sum) noexcept {
    if constexpr (Bytes == code_bytes::less_128) {
        const int_batch<Arch> highest(static_cast<std::int32_t>(0x80808080u));
        return arch::byte_dot_signed(a ^ highest, b, sum, arch::best<Arch>{});
    } else if constexpr (Bytes == code_bytes::small && has_byte_dot_signed<Arch>) {
        return arch::byte_dot_signed(a, b, sum, arch::best<Arch>{});
    } else if constexpr (Bytes == code_bytes::small && has_byte_dot_small<Arch>) {
        return arch::byte_dot_small(a, b, sum, arch::best<Arch>{});
    } else {
        return arch::byte_dot(a, b, sum, arch::best<Arch>{});
    }
}

/// 16 values of a token, to be multiplied with codes four at a time.
template <class Arch>
class token_values {
public:
    token_values() noexcept = default;
    EARLYOUT_ALWAYS_INLINE explicit token_values(const std::int8_t* values) noexcept
        : held_(arch::hold_values(values, arch::best<Arch>{})) {}

    /// Returns values 4 four .. 4 four + 3.
    [[nodiscard]] EARLYOUT_ALWAYS_INLINE auto four(std::size_t four) const noexcept {
        return arch::four_values<Arch>(held_, four, arch::best<Arch>{});
    }

private:
    decltype(arch::hold_values(nullptr, arch::best<Arch>{})) held_;
};

/// Returns sum + the products of the two signed 16-bit halves of `a` with those of `b`, in each 32-bit lane.
/// @param a words, or what split_pairs() made of them, if all words of `b` are the same
template <class Arch, class A>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> pair_dot(const A& a, const int_batch<Arch>& b,
                                                const int_batch<Arch>& sum) noexcept {
    return arch::pair_dot(a, b, sum, arch::best<Arch>{});
}

/// True if an instruction multiplies two rows of eight bytes with two tokens'.
template <class Arch>
inline constexpr bool has_multiply_eights =
    requires(const int_batch<Arch>& a) { arch::multiply_eights(a, a, a, arch::best<Arch>{}); };

/// Returns words in the form in which pair_dot() multiplies them with several others, each the same in every lane.
template <class Arch>
EARLYOUT_ALWAYS_INLINE auto split_pairs(const int_batch<Arch>& pairs) noexcept {
    return arch::split_pairs(pairs, arch::best<Arch>{});
}

/// What split_pairs() returns.
template <class Arch>
using split_words = decltype(arch::split_pairs(int_batch<Arch>(), arch::best<Arch>{}));

/// Loads two signed bytes per 32-bit lane as 16-bit halves, in order.
template <class Arch>
EARLYOUT_ALWAYS_INLINE int_batch<Arch> load_byte_pairs(const std::int8_t* from) noexcept {
    return arch::load_byte_pairs<Arch>(from, arch::best<Arch>{});
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
