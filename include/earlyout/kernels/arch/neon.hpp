// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ARCH_NEON_HPP
#define EARLYOUT_KERNELS_ARCH_NEON_HPP

#include <earlyout/kernels/arch/generic.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace kernels::arch {

constexpr std::size_t vector_registers(requires_arch<xsimd::neon64>) noexcept { return 32; }

}}}  // namespace earlyout::EARLYOUT_ABI::kernels::arch

#endif
