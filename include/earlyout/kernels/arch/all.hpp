// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_ALL_HPP
#define EARLYOUT_KERNELS_ARCH_ALL_HPP

#include <earlyout/kernels/arch/amx.hpp>
#include <earlyout/kernels/arch/avx.hpp>
#include <earlyout/kernels/arch/avx2.hpp>
#include <earlyout/kernels/arch/avx512.hpp>
#include <earlyout/kernels/arch/dotprod.hpp>
#include <earlyout/kernels/arch/f16c.hpp>
#include <earlyout/kernels/arch/generic.hpp>
#include <earlyout/kernels/arch/i8mm.hpp>
#include <earlyout/kernels/arch/neon.hpp>
#include <earlyout/kernels/arch/sse2.hpp>
#include <earlyout/kernels/arch/vnni.hpp>

/// @file All supported instruction sets, one file each. Kernels name none: they call the functions of generic.hpp with
/// best<Arch>, and overload resolution picks the most derived tag. Only these files have `#if`s on an instruction set,
/// and its intrinsics.
///
/// To add one:
/// 1. A file here that overloads those functions of generic.hpp for which it has an instruction, on xsimd's tag
///    (`requires_arch<xsimd::neon64>`), and vector_registers(), from which kernels derive their tiles. An extension
///    that xsimd has no tag for (VNNI) makes its own, derived from what it extends, and specialises `extension`.
/// 2. An include above.
/// 3. Its mirror test, which checks all functions against plain arithmetic (tests/kernels/arch/check.hpp).
/// 4. If a compiler flag turns it on: a name in core/config.hpp (tests/rules/instruction_sets.cmake), so that objects
///    compiled for different sets do not link.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels {
namespace arch {

/// The tag of an instruction set with all of its extensions that this translation unit may use.
template <class Arch>
using best = typename extension<3, typename extension<2, typename extension<1, Arch>::tag>::tag>::tag;

}  // namespace arch

/// Registers available for a kernel's sums: the others hold operands. Tile sizes derive from it.
template <class Arch>
inline constexpr std::size_t sum_registers = arch::vector_registers(arch::best<Arch>{}) / 4 * 3;

/// The matrix unit of an instruction set, or no_matrix_unit.
template <class Arch>
using matrix_unit_of = decltype(arch::matrix_unit(arch::best<Arch>{}));

}}}  // namespace earlyout::EARLYOUT_ABI::kernels

#endif
