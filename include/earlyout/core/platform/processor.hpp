// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_PLATFORM_PROCESSOR_HPP
#define EARLYOUT_CORE_PLATFORM_PROCESSOR_HPP

#include <earlyout/core/config.hpp>
#include <earlyout/core/platform.hpp>

#include <cstdint>
#include <string_view>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

/// @file Which of the instruction sets that earlyout_add_dispatched compiles for this processor and this system run.

namespace earlyout { inline namespace EARLYOUT_ABI { namespace platform {

/// Holds what an x86 processor says of its instructions (cpuid), and its system of the registers that it saves (xcr0).
struct processor_facts {
    std::uint32_t leaf_1_ecx = 0;
    std::uint32_t leaf_7_ebx = 0;
    std::uint32_t leaf_7_ecx = 0;
    std::uint32_t leaf_7_edx = 0;
    std::uint32_t leaf_7_1_eax = 0;
    std::uint32_t extended_1_ecx = 0;
    std::uint32_t xcr0 = 0;
};

/// Reads what this processor says; nothing where it is no x86 processor.
[[nodiscard]] inline processor_facts read_processor() noexcept {
    processor_facts found;
#if defined(__x86_64__) || defined(__i386__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) != 0) found.leaf_1_ecx = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
        const unsigned subleaves = a;
        found.leaf_7_ebx = b;
        found.leaf_7_ecx = c;
        found.leaf_7_edx = d;
        if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) found.leaf_7_1_eax = a;
    }
    if (__get_cpuid(0x80000001u, &a, &b, &c, &d) != 0) found.extended_1_ecx = c;
    if ((found.leaf_1_ecx & 1u << 27) != 0) {  // OSXSAVE
        std::uint32_t low = 0, high = 0;
        asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        found.xcr0 = low;
    }
#endif
    return found;
}

/// Returns whether a processor, and its system, run what is compiled for an instruction set: one of
/// earlyout_add_dispatched by its name there. AMX also takes the system's permission: request_matrix_registers().
[[nodiscard]] constexpr bool has_instruction_set(std::string_view name, const processor_facts& facts) noexcept {
    const auto has = [](std::uint32_t word, auto... bits) { return ((word >> bits & 1u) & ...) != 0; };
    // As the compilers' -march=x86-64-v3 and -v4.
    const bool v3 = has(facts.leaf_1_ecx, 0, 9, 12, 13, 19, 20, 22, 23, 27, 28, 29) && has(facts.leaf_7_ebx, 3, 5, 8) &&
                    has(facts.extended_1_ecx, 0, 5) && has(facts.xcr0, 1, 2);
    const bool v4 = v3 && has(facts.leaf_7_ebx, 16, 17, 28, 30, 31) && has(facts.xcr0, 5, 6, 7);
    const bool vnni = v4 && has(facts.leaf_7_ecx, 11);
    if (name == "sse2") return true;  // of every x86-64 processor
    if (name == "avx2") return v3;
    if (name == "avxvnni") return v3 && has(facts.leaf_7_1_eax, 4);
    if (name == "avx512") return v4;
    if (name == "avx512vnni") return vnni;
    if (name == "amx") {
        return vnni && has(facts.leaf_7_1_eax, 5) && has(facts.leaf_7_edx, 24, 25) && has(facts.xcr0, 17, 18);
    }
    return false;
}

/// Returns whether this process may run what is compiled for an instruction set. Requests AMX's registers from the
/// system where it is AMX and the processor has it.
[[nodiscard]] inline bool runs_instruction_set(std::string_view name) noexcept {
    return has_instruction_set(name, read_processor()) && (name != "amx" || request_matrix_registers());
}

}}}  // namespace earlyout::EARLYOUT_ABI::platform

#endif
