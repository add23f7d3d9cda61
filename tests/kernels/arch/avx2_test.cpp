// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/avx2.hpp>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

#if XSIMD_WITH_AVX2
TEST_CASE("AVX2", "[kernels][arch]") { support::check_instruction_set<xsimd::avx2>(); }
#endif
#if XSIMD_WITH_FMA3_AVX2
TEST_CASE("AVX2 and FMA", "[kernels][arch]") { support::check_instruction_set<xsimd::fma3<xsimd::avx2>>(); }
#endif
