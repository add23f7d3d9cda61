// SPDX-License-Identifier: MIT
// The machine's limits: bytes read per second from memory and from a core's cache, and fused multiply-adds per second,
// on one thread and on two. Kernels are compared with these, from the same run.
#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/kernels/simd.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>

namespace eo = earlyout;

namespace {

using batch = eo::float_batch<eo::default_arch>;
constexpr std::size_t lanes = eo::kernels::lanes<eo::default_arch>;

/// Reads `range` KiB per thread, each float once, in order.
void read(benchmark::State& state) {
    const std::size_t floats = static_cast<std::size_t>(state.range(0)) * 1024 / sizeof(float);
    eo::aligned_buffer<float> data(floats);
    for (std::size_t i = 0; i < floats; ++i) data[i] = 1.0f;
    constexpr std::size_t sums = 2;
    for (auto _ : state) {
        batch sum[sums];
        for (auto& s : sum) s = batch(0.0f);
        for (std::size_t i = 0; i < floats; i += sums * lanes) {
#pragma GCC unroll 2
            for (std::size_t s = 0; s < sums; ++s) sum[s] += batch::load_aligned(data.data() + i + s * lanes);
        }
        for (auto& s : sum) benchmark::DoNotOptimize(s);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(floats * sizeof(float)));
}
BENCHMARK(read)->ArgName("KiB")->Arg(256 * 1024)->Threads(1)->Threads(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(read)->ArgName("KiB")->Arg(400)->Threads(1)->UseRealTime()->Unit(benchmark::kMicrosecond);

/// Multiply-adds on registers alone; counted as two operations each.
void multiply_add(benchmark::State& state) {
    constexpr std::size_t sums = 12, rounds = 4096;
    batch sum[sums];
    for (auto& s : sum) s = batch(0.0f);
    batch factor(0.999f), term(1e-3f);
    benchmark::DoNotOptimize(factor);
    benchmark::DoNotOptimize(term);
    for (auto _ : state) {
        for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
            for (auto& s : sum) s = eo::kernels::multiply_add<eo::default_arch>(s, factor, term);
        }
        for (auto& s : sum) benchmark::DoNotOptimize(s);
    }
    state.counters["FLOP/s"] =
        benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(rounds * sums * lanes * 2),
                           benchmark::Counter::kIsRate);
}
BENCHMARK(multiply_add)->Threads(1)->Threads(2)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
