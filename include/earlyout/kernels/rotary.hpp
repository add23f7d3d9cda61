// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ROTARY_HPP
#define EARLYOUT_KERNELS_ROTARY_HPP

#include <earlyout/kernels/simd.hpp>

#include <cstddef>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {

/// Computes cosines and sines of sums of angles from those of the summands.
/// @param first, second [cosines | sines], 2 * half each
/// @param cosine, sine  [half]
template <class Arch = default_arch>
void add_angles(const float* first, const float* second, std::size_t half, float* cosine, float* sine,
                Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    const auto add = [&](const batch& c1, const batch& s1, const batch& c2, const batch& s2, auto store) {
        store(multiply_add<Arch>(c1, c2, -(s1 * s2)), cosine);
        store(multiply_add<Arch>(s1, c2, c1 * s2), sine);
    };
    std::size_t i = 0;
    for (; i + w <= half; i += w) {
        add(batch::load_unaligned(first + i), batch::load_unaligned(first + half + i),
            batch::load_unaligned(second + i), batch::load_unaligned(second + half + i),
            [&](const batch& v, float* to) { v.store_unaligned(to + i); });
    }
    if (i < half) {
        const std::size_t left = half - i;
        const auto tail = [&](const float* from) { return load_tail<Arch>(from + i, left, 0.0f); };
        add(tail(first), tail(first + half), tail(second), tail(second + half),
            [&](const batch& v, float* to) { store_tail<Arch>(v, to + i, left); });
    }
}

/// Rotates each pair (element i of x's first half, element i of its second half) by angle i (Su et al., 2021,
/// "RoFormer"; in the order of GPT-NeoX and Llama).
/// @param x            [2 * half]
/// @param cosine, sine [half], of the angles
template <class Arch = default_arch>
void rotate_halves(float* x, const float* cosine, const float* sine, std::size_t half, Arch = {}) noexcept {
    using batch = float_batch<Arch>;
    constexpr std::size_t w = lanes<Arch>;
    const auto turn = [](batch& first, batch& second, const batch& c, const batch& s) {
        const batch before = first;
        first = multiply_add<Arch>(before, c, -(second * s));
        second = multiply_add<Arch>(second, c, before * s);
    };
    std::size_t i = 0;
    for (; i + w <= half; i += w) {
        batch first = batch::load_unaligned(x + i);
        batch second = batch::load_unaligned(x + half + i);
        turn(first, second, batch::load_unaligned(cosine + i), batch::load_unaligned(sine + i));
        first.store_unaligned(x + i);
        second.store_unaligned(x + half + i);
    }
    if (i < half) {
        const std::size_t left = half - i;
        batch first = load_tail<Arch>(x + i, left, 0.0f);
        batch second = load_tail<Arch>(x + half + i, left, 0.0f);
        turn(first, second, load_tail<Arch>(cosine + i, left, 0.0f), load_tail<Arch>(sine + i, left, 0.0f));
        store_tail<Arch>(first, x + i, left);
        store_tail<Arch>(second, x + half + i, left);
    }
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
