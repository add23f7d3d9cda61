// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_AMX_HPP
#define EARLYOUT_KERNELS_ARCH_AMX_HPP

#include <earlyout/kernels/arch/generic.hpp>

#include <concepts>

/// @file AMX's tile registers, beside AVX-512; xsimd has no tag for them. Linux only, where a process has to request
/// permission to use them.

#if defined(EARLYOUT_DETAIL_AMX)
#include <immintrin.h>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

/// `Arch` with AMX's byte products.
template <class Arch>
struct amx : Arch {};

template <std::derived_from<xsimd::avx512bw> Arch>
struct extension<3, Arch> {
    using tag = amx<Arch>;
};

/// Products of 16 tokens' values with 16 rows' codes, 16 or 32 inputs at a time, two of them in flight at once. Their
/// sum is an integer.
struct amx_unit {
    static constexpr bool is_there = true;
    /// Tokens per register.
    static constexpr std::size_t tokens = 16;

    /// Returns true if the system lets this process use the registers.
    [[nodiscard]] static bool is_permitted() noexcept {
        static const bool permitted = platform::request_matrix_registers();
        return permitted;
    }

    /// Owns this thread's tile registers during its lifetime: 0 and 1 for sums [16 tokens][16 rows], 2 and 3 for 16
    /// tokens' values [16][inputs], 4 and 5 for 16 rows' codes [inputs / 4][16][4].
    class registers {
    public:
        /// @param inputs multiplied at a time: 16 or 32
        explicit registers(std::size_t inputs) noexcept {
            const auto bytes = static_cast<std::uint16_t>(inputs);
            const auto fours = static_cast<std::uint8_t>(inputs / 4);
            struct alignas(64) {
                std::uint8_t palette, start_row, reserved[14];
                std::uint16_t row_bytes[16];
                std::uint8_t rows[16];
            } const shapes{1, 0, {}, {64, 64, bytes, bytes, 64, 64}, {16, 16, 16, 16, fours, fours}};
            platform::write_all();
            _tile_loadconfig(&shapes);
        }
        ~registers() { _tile_release(); }
        registers(const registers&) = delete;
        registers& operator=(const registers&) = delete;
    };

    /// Starts the products of a span. GCC does not know that it reads memory: call platform::write_all() before.
    /// @tparam Odd which of the two in flight
    /// @param codes     [inputs / 4][16 rows][4], signed, consecutive fours `four_bytes` apart
    /// @param values    [16 tokens][inputs], consecutive tokens `row_bytes` apart
    template <bool Odd>
    static void start(const std::uint8_t* codes, std::size_t four_bytes, const std::int8_t* values,
                      std::size_t row_bytes) noexcept {
        // Twice, because a register number is part of the instruction.
        if constexpr (Odd) {
            _tile_loadd(5, codes, four_bytes);
            _tile_loadd(3, values, row_bytes);
            _tile_zero(1);
            _tile_dpbssd(1, 3, 5);
        } else {
            _tile_loadd(4, codes, four_bytes);
            _tile_loadd(2, values, row_bytes);
            _tile_zero(0);
            _tile_dpbssd(0, 2, 4);
        }
    }
    /// Stores a span's sums, [16 tokens][16 rows].
    template <bool Odd>
    static void finish(std::int32_t* sums) noexcept {
        if constexpr (Odd) {
            _tile_stored(1, sums, 64);
        } else {
            _tile_stored(0, sums, 64);
        }
    }
};

template <class Base>
constexpr amx_unit matrix_unit(requires_arch<amx<Base>>) noexcept {
    return {};
}

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
#endif
