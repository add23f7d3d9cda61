// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_CONFIG_HPP
#define EARLYOUT_CORE_CONFIG_HPP

// Every header includes this one before anything else. A missing file ends the compilation; after #error the compiler
// would continue and report a thousand further errors.
#if defined(__GNUC__) && __cplusplus < 202002L
#include "earlyout needs C++20 or later: compile with -std=c++20"
#elif !defined(__GNUC__) && (defined(_MSVC_LANG) ? _MSVC_LANG : __cplusplus) < 202002L
#error "earlyout needs C++20 or later: compile with /std:c++20"
#endif

/// @file Version and the inline namespace that separates objects compiled with different flags.
///
/// Everything is declared in `namespace earlyout { inline namespace EARLYOUT_ABI {`. The tag carries the version and
/// the instruction set this translation unit is compiled for, so two objects built with different `-m` flags share no
/// weak symbol of the library, and passing its types between them is a link error. They do share what they instantiate
/// of the standard library and of others' templates, of which the linker keeps one copy, perhaps that of the wider
/// instruction set: link such objects with earlyout_add_dispatched (CMake, core/dispatch.hpp), which makes it local.

#define EARLYOUT_VERSION_MAJOR 0
#define EARLYOUT_VERSION_MINOR 1
#define EARLYOUT_VERSION_PATCH 0

#if defined(__AVX512F__) && defined(__AVX512CD__) && defined(__AVX512DQ__) && defined(__AVX512BW__)
#if defined(__AVX512BF16__) && defined(__AVX512VNNI__) && defined(__AMX_INT8__) && defined(__linux__)
#define EARLYOUT_DETAIL_ISA avx512_vnni_bf16_amx
#define EARLYOUT_DETAIL_AMX 1
#elif defined(__AVX512BF16__) && defined(__AVX512VNNI__)
#define EARLYOUT_DETAIL_ISA avx512_vnni_bf16
#elif defined(__AVX512VNNI__)
#define EARLYOUT_DETAIL_ISA avx512_vnni
#else
#define EARLYOUT_DETAIL_ISA avx512
#endif
#elif defined(__AVX512F__) && defined(__AVX512CD__) && defined(__AVX512DQ__)
#define EARLYOUT_DETAIL_ISA avx512f_cd_dq
#elif defined(__AVX512F__) && defined(__AVX512CD__)
#define EARLYOUT_DETAIL_ISA avx512f_cd
#elif defined(__AVX512F__)
#define EARLYOUT_DETAIL_ISA avx512f
#elif defined(__AVX2__) && defined(__FMA__)
#if defined(__AVXVNNI__) && defined(__F16C__)
#define EARLYOUT_DETAIL_ISA avx2_fma_f16c_vnni
#elif defined(__AVXVNNI__)
#define EARLYOUT_DETAIL_ISA avx2_fma_vnni
#elif defined(__F16C__)
#define EARLYOUT_DETAIL_ISA avx2_fma_f16c
#else
#define EARLYOUT_DETAIL_ISA avx2_fma
#endif
#elif defined(__AVX2__) && defined(__F16C__)
#define EARLYOUT_DETAIL_ISA avx2_f16c
#elif defined(__AVX2__)
#define EARLYOUT_DETAIL_ISA avx2
#elif defined(__AVX__) && defined(__FMA__)
#if defined(__F16C__)
#define EARLYOUT_DETAIL_ISA avx_fma_f16c
#else
#define EARLYOUT_DETAIL_ISA avx_fma
#endif
#elif defined(__AVX__) && defined(__F16C__)
#define EARLYOUT_DETAIL_ISA avx_f16c
#elif defined(__AVX__)
#define EARLYOUT_DETAIL_ISA avx
#elif defined(__SSE4_2__)
#define EARLYOUT_DETAIL_ISA sse4_2
#elif defined(__SSE4_1__)
#define EARLYOUT_DETAIL_ISA sse4_1
#elif defined(__SSSE3__)
#define EARLYOUT_DETAIL_ISA ssse3
#elif defined(__SSE3__)
#define EARLYOUT_DETAIL_ISA sse3
#elif defined(__SSE2__)
#define EARLYOUT_DETAIL_ISA sse2
#elif defined(__aarch64__)
#if defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)
#define EARLYOUT_DETAIL_ISA neon_dotprod_i8mm
#elif defined(__ARM_FEATURE_DOTPROD)
#define EARLYOUT_DETAIL_ISA neon_dotprod
#elif defined(__ARM_FEATURE_MATMUL_INT8)
#define EARLYOUT_DETAIL_ISA neon_i8mm
#else
#define EARLYOUT_DETAIL_ISA neon
#endif
#elif defined(__ARM_NEON)
#define EARLYOUT_DETAIL_ISA neon_32
#else
#define EARLYOUT_DETAIL_ISA generic
#endif

#if (defined(__x86_64__) || defined(__i386__)) && !(defined(__AVX2__) && defined(__FMA__)) && \
    !defined(EARLYOUT_NO_ISA_NOTE)
#pragma message(                                                                           \
        "earlyout is compiled without AVX2 and FMA, which makes it several times slower: " \
        "-march=x86-64-v3 or -march=native turns them on, EARLYOUT_NO_ISA_NOTE this note off")
#endif

#define EARLYOUT_DETAIL_CAT_(a, b) a##b
#define EARLYOUT_DETAIL_CAT(a, b) EARLYOUT_DETAIL_CAT_(a, b)
#define EARLYOUT_DETAIL_STR_(a) #a
#define EARLYOUT_DETAIL_STR(a) EARLYOUT_DETAIL_STR_(a)

#define EARLYOUT_VERSION_STRING                 \
    EARLYOUT_DETAIL_STR(EARLYOUT_VERSION_MAJOR) \
    "." EARLYOUT_DETAIL_STR(EARLYOUT_VERSION_MINOR) "." EARLYOUT_DETAIL_STR(EARLYOUT_VERSION_PATCH)

#define EARLYOUT_DETAIL_TAG_(major, minor, isa) v##major##_##minor##_##isa
#define EARLYOUT_DETAIL_TAG(major, minor, isa) EARLYOUT_DETAIL_TAG_(major, minor, isa)

/// Name of the inline namespace, e.g. `v0_1_avx2_fma`.
#define EARLYOUT_ABI EARLYOUT_DETAIL_TAG(EARLYOUT_VERSION_MAJOR, EARLYOUT_VERSION_MINOR, EARLYOUT_DETAIL_ISA)

/// Declares an instance of a kernel that earlyout::kernels_compiled holds: programs that link it do not compile the
/// kernel.
#if defined(EARLYOUT_DETAIL_COMPILE_KERNELS)
#define EARLYOUT_DETAIL_KERNEL(...) template __VA_ARGS__
#elif defined(EARLYOUT_KERNELS_COMPILED)
#define EARLYOUT_DETAIL_KERNEL(...) extern template __VA_ARGS__
#else
#define EARLYOUT_DETAIL_KERNEL(...)
#endif

/// Declares what a library of models holds that programs link.
#if defined(EARLYOUT_DETAIL_COMPILE_MODELS)
#define EARLYOUT_DETAIL_MODEL(...) template __VA_ARGS__
#elif defined(EARLYOUT_MODELS_COMPILED)
#define EARLYOUT_DETAIL_MODEL(...) extern template __VA_ARGS__
#else
#define EARLYOUT_DETAIL_MODEL(...) static_assert(true)
#endif

// text/ and io/ may be linked from a library, the target earlyout::io_compiled: then their headers only declare, and
// its sources define, what is inline otherwise.
#ifdef EARLYOUT_IO_COMPILED
#define EARLYOUT_IO_INLINE
#else
#define EARLYOUT_IO_HEADER_ONLY
#define EARLYOUT_IO_INLINE inline
#endif

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Returns the library's version, "major.minor.patch".
inline constexpr const char* version = EARLYOUT_VERSION_STRING;

/// Returns the instruction set this translation unit was compiled for, e.g. "avx512_vnni_bf16".
inline constexpr const char* instruction_set = EARLYOUT_DETAIL_STR(EARLYOUT_DETAIL_ISA);

}}  // namespace earlyout::EARLYOUT_ABI

#endif
