// SPDX-License-Identifier: MIT
#include <earlyout/core/platform/processor.hpp>

#include <string>
#include <vector>

#include "support/catch.hpp"

namespace platform = earlyout::platform;

namespace {

std::vector<std::string> sets_of(const platform::processor_facts& facts) {
    std::vector<std::string> found;
    for (const char* name : {"sse2", "avx2", "avxvnni", "avx512", "avx512vnni", "amx"}) {
        if (platform::has_instruction_set(name, facts)) found.emplace_back(name);
    }
    return found;
}

// What these processors say under Linux, in the bits that matter.
constexpr platform::processor_facts nehalem{.leaf_1_ecx = 0x009ce3bd, .extended_1_ecx = 0x1};
constexpr platform::processor_facts haswell{
    .leaf_1_ecx = 0x7ffafbff, .leaf_7_ebx = 0x000027ab, .extended_1_ecx = 0x21, .xcr0 = 0x7};
constexpr platform::processor_facts skylake_x{
    .leaf_1_ecx = 0x7ffefbff, .leaf_7_ebx = 0xd39ffffb, .extended_1_ecx = 0x121, .xcr0 = 0x2e7};
constexpr platform::processor_facts sapphire_rapids{.leaf_1_ecx = 0x7ffefbff,
                                                    .leaf_7_ebx = 0xf3bfbffb,
                                                    .leaf_7_ecx = 0x1b415fee,
                                                    .leaf_7_edx = 0xffd94432,
                                                    .leaf_7_1_eax = 0x1c30,
                                                    .extended_1_ecx = 0x121,
                                                    .xcr0 = 0x602e7};

}  // namespace

TEST_CASE("a processor's instruction sets", "[processor]") {
    using names = std::vector<std::string>;
    CHECK(sets_of({}) == names{"sse2"});
    CHECK(sets_of(nehalem) == names{"sse2"});
    CHECK(sets_of(haswell) == names{"sse2", "avx2"});
    CHECK(sets_of(skylake_x) == names{"sse2", "avx2", "avx512"});
    CHECK(sets_of(sapphire_rapids) == names{"sse2", "avx2", "avxvnni", "avx512", "avx512vnni", "amx"});
    CHECK_FALSE(platform::has_instruction_set("avx9000", sapphire_rapids));
    CHECK_FALSE(platform::has_instruction_set("", sapphire_rapids));
}

TEST_CASE("registers that the system does not save are not used", "[processor]") {
    using names = std::vector<std::string>;
    platform::processor_facts facts = sapphire_rapids;
    facts.xcr0 = 0x2e7;  // no tiles
    CHECK(sets_of(facts) == names{"sse2", "avx2", "avxvnni", "avx512", "avx512vnni"});
    facts.xcr0 = 0x7;  // no registers of 512 bits
    CHECK(sets_of(facts) == names{"sse2", "avx2", "avxvnni"});
    facts.xcr0 = 0x3;
    CHECK(sets_of(facts) == names{"sse2"});
}

TEST_CASE("one missing instruction is enough", "[processor]") {
    platform::processor_facts facts = haswell;
    facts.leaf_1_ecx &= ~(1u << 12);  // FMA
    CHECK_FALSE(platform::has_instruction_set("avx2", facts));
    facts = haswell;
    facts.extended_1_ecx &= ~(1u << 5);  // LZCNT
    CHECK_FALSE(platform::has_instruction_set("avx2", facts));
    facts = sapphire_rapids;
    facts.leaf_7_edx &= ~(1u << 25);  // AMX's products of bytes
    CHECK_FALSE(platform::has_instruction_set("amx", facts));
}

TEST_CASE("what this program was compiled for runs here", "[processor]") {
    CHECK(platform::runs_instruction_set("sse2"));
#if defined(__AVX512F__) && defined(__AVX512VNNI__)
    CHECK(platform::runs_instruction_set("avx512vnni"));
#elif defined(__AVX2__)
    CHECK(platform::runs_instruction_set("avx2"));
#endif
}
