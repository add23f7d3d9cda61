// SPDX-License-Identifier: MIT
// One token's attention over a long cache in main memory, on one thread and on two: bytes of keys and values per second
// beside what the same threads read of plain memory just before and after.
#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/kernels/simd.hpp>
#include <earlyout/nn/cached_attention.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/random.hpp"

namespace eo = earlyout;

namespace {

/// Reads 128 MiB in order, shared by the threads; returns bytes per second.
double read_memory(eo::executor& on) {
    using batch = eo::float_batch<eo::default_arch>;
    constexpr std::size_t w = eo::kernels::lanes<eo::default_arch>, floats = std::size_t{32} << 20;
    static const std::vector<float> data(floats, 1.0f);
    const auto start = std::chrono::steady_clock::now();
    eo::parallel_for(on, floats / 4096, 1, [&](std::size_t, std::size_t begin, std::size_t end) {
        batch even(0.0f), odd(0.0f);
        for (std::size_t i = begin * 4096; i < end * 4096; i += 2 * w) {
            even += batch::load_unaligned(data.data() + i);
            odd += batch::load_unaligned(data.data() + i + w);
        }
        benchmark::DoNotOptimize(even);
        benchmark::DoNotOptimize(odd);
    });
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    return static_cast<double>(floats * sizeof(float)) / time.count();
}

/// Attention of one layer, as run_context measures its scratch memory.
struct attention_layer {
    eo::cached_attention<eo::dynamic> attend;
    std::size_t scratch_bytes(std::size_t, std::size_t pieces) const { return attend.scratch_bytes(pieces); }
};

/// The last token of `entries` attends, in one layer after another.
void attend_token(benchmark::State& state, eo::kv_format stored) {
    const auto argument = [&](std::size_t i) { return static_cast<std::size_t>(state.range(i)); };
    const std::size_t heads = argument(0), kv_heads = argument(1), entries = argument(2);
    constexpr std::size_t head_dim = 64, least_bytes = std::size_t{192} << 20;  // exceeds caches
    const std::size_t layer_bytes = kv_heads * stored.entry_bytes(head_dim) * entries;
    const std::size_t layers = least_bytes / layer_bytes + 1;
    eo::kv_cache cache({.layers = layers, .d_model = 1, .heads = heads, .kv_heads = kv_heads, .head_dim = head_dim},
                       entries, stored);
    support::random_source random(1);
    const std::vector<float> values = random.floats(4099), query = random.floats(heads * head_dim);
    for (std::size_t layer = 1; layer <= layers; ++layer) {
        for (std::size_t p = 0; p < entries; ++p) {
            const float* const any = values.data() + p * 31 % (values.size() - kv_heads * head_dim);
            cache.append(layer, p, any, any);
        }
    }
    eo::thread_pool threads(argument(3));
    const attention_layer layer{{heads, kv_heads, eo::extent<>(head_dim), 0.125f, 0}};
    eo::run_context context(layer, 1, threads);
    std::vector<float> out(query.size());
    const eo::layer_token token{&cache, entries - 1, nullptr};
    std::size_t at = 0;
    double memory = read_memory(threads);
    for (auto _ : state) {
        at = at % layers + 1;
        layer.attend(at, std::span(&token, 1), {query.data(), 1, query.size()}, {out.data(), 1, out.size()}, context);
        benchmark::ClobberMemory();
    }
    memory = (memory + read_memory(threads)) / 2;
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(layer_bytes));
    state.counters["memory"] = benchmark::Counter(memory, {}, benchmark::Counter::kIs1024);
}

void shapes(benchmark::internal::Benchmark* with) {
    with->ArgNames({"heads", "kv_heads", "entries", "threads"})->UseRealTime()->Unit(benchmark::kMicrosecond);
    for (const std::int64_t entries : {128, 4096, 16384}) {
        for (const std::int64_t threads : {1, 2}) {
            with->Args({32, 8, entries, threads});  // Llama 3.2 1B
            with->Args({14, 2, entries, threads});  // Qwen2.5 0.5B
        }
    }
}
BENCHMARK_CAPTURE(attend_token, f32, eo::f32{})->Apply(shapes);
BENCHMARK_CAPTURE(attend_token, f16, eo::f16{})->Apply(shapes);
BENCHMARK_CAPTURE(attend_token, bf16, eo::bf16{})->Apply(shapes);
BENCHMARK_CAPTURE(attend_token, int8, eo::int8{})->Apply(shapes);

}  // namespace
