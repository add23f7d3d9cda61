// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_ALL_HPP
#define EARLYOUT_KERNELS_ARCH_ALL_HPP

#include <earlyout/kernels/arch/amx.hpp>
#include <earlyout/kernels/arch/avx.hpp>
#include <earlyout/kernels/arch/avx2.hpp>
#include <earlyout/kernels/arch/avx512.hpp>
#include <earlyout/kernels/arch/f16c.hpp>
#include <earlyout/kernels/arch/generic.hpp>
#include <earlyout/kernels/arch/neon.hpp>
#include <earlyout/kernels/arch/sse2.hpp>
#include <earlyout/kernels/arch/vnni.hpp>

/// @file Every instruction set that kernels know, a file each. Kernels name none: they call the functions of
/// generic.hpp with best<Arch>, and the overload whose tag is nearest is taken. Only these files have `#if`s on an
/// instruction set and its intrinsics.
///
/// To add one: a file here that overloads those functions of generic.hpp which it has an instruction for, on xsimd's
/// tag
/// (`requires_arch<xsimd::neon64>`), and says how many registers there are (vector_registers); a line above; its mirror
/// test, which checks all of them against plain arithmetic (tests/kernels/arch/check.hpp). An extension that xsimd has
/// no tag for (VNNI) makes its own, derived from what it extends, and a step of `extension`. What is called otherwise
/// for a new `-m` flag must have a name of its own in core/config.hpp, so that objects cannot be mixed.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {
namespace arch {

/// The tag of an instruction set with all of its extensions that this translation unit may use.
template <class Arch>
using best = typename extension<3, typename extension<2, typename extension<1, Arch>::tag>::tag>::tag;

}  // namespace arch

/// Registers that a kernel's sums may fill: the others are for what is multiplied. Tiles are sized by it.
template <class Arch>
inline constexpr std::size_t sum_registers = arch::vector_registers(arch::best<Arch>{}) / 4 * 3;

/// The matrix unit of an instruction set, or no_matrix_unit.
template <class Arch>
using matrix_unit_of = decltype(arch::matrix_unit(arch::best<Arch>{}));

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
