// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/f16c.hpp>

#include <cstdint>
#include <vector>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

#if defined(__F16C__)
TEST_CASE("F16C", "[kernels][arch]") {
    using tag = arch::f16c<xsimd::avx>;
    support::check_instruction_set<xsimd::avx, tag>();
    STATIC_REQUIRE(support::instruction_set<xsimd::avx, tag>::loads_f16);
    STATIC_REQUIRE(!support::instruction_set<xsimd::avx, xsimd::avx>::loads_f16);
    const std::vector<float> x(20, 1.0f);
    std::vector<std::uint16_t> to(20);
    CHECK(arch::encode_f16(x.data(), x.size(), to.data(), tag{}) == 16);
}
#endif
