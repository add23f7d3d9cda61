// SPDX-License-Identifier: MIT
#include <earlyout/kernels/arch/generic.hpp>

#include <cstdint>

#include "kernels/arch/check.hpp"
#include "support/archs.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace arch = eo::kernels::arch;

TEMPLATE_LIST_TEST_CASE("operations of every instruction set", "[kernels][arch]", support::archs) {
    support::check_instruction_set<TestType>(arch::any_arch(TestType{}));
    STATIC_REQUIRE(!support::instruction_set<TestType, arch::any_arch>::loads_f16);
    STATIC_REQUIRE(!decltype(arch::matrix_unit(arch::any_arch(TestType{})))::is_there);
    const float none = 1.0f;
    std::uint16_t to = 0;
    CHECK(arch::encode_f16(&none, 1, &to, arch::any_arch(TestType{})) == 0);
}

namespace {

struct no_arch {};
struct derived_arch : no_arch {};
constexpr int chosen(arch::any_arch) { return 0; }
constexpr int chosen(arch::requires_arch<no_arch>) { return 1; }

}  // namespace

TEST_CASE("the overload with the nearest tag is selected", "[kernels][arch]") {
    STATIC_REQUIRE(chosen(derived_arch{}) == 1);
    STATIC_REQUIRE(chosen(eo::default_arch{}) == 0);
}
