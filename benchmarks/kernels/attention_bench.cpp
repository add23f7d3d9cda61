// SPDX-License-Identifier: MIT
// One query of each of 12 heads of 64 over a cache that lies in memory: bytes of keys and values per second. And the
// element-wise kernels of one token.
#include <earlyout/kernels/activations.hpp>
#include <earlyout/kernels/argmax.hpp>
#include <earlyout/kernels/attention.hpp>
#include <earlyout/kernels/norms.hpp>
#include <earlyout/kernels/quantize.hpp>
#include <earlyout/nn/kv_cache.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/random.hpp"

namespace eo = earlyout;

namespace {

constexpr std::size_t heads = 12, head_dim = 64, layers = 24;  // layers enough that they come from memory

template <class Stored>
void attend(benchmark::State& state, eo::dtype stored) {
    const auto entries = static_cast<std::size_t>(state.range(0));
    eo::model_shape shape{.layers = layers, .d_model = heads * head_dim, .heads = heads};
    eo::kv_cache cache(shape.completed(), entries, stored);
    support::random_source random(1);
    const auto key = random.floats(heads * head_dim), value = random.floats(heads * head_dim);
    for (std::size_t layer = 1; layer <= layers; ++layer) {
        for (std::size_t p = 0; p < entries; ++p) cache.append(layer, p, key.data(), value.data());
    }
    const auto query = random.floats(heads * head_dim);
    std::vector<float> scores(eo::round_up(entries, 16)), out(heads * head_dim);
    std::size_t layer = 0;
    for (auto _ : state) {
        layer = layer % layers + 1;
        for (std::size_t head = 0; head < heads; ++head) {
            eo::kernels::attend(Stored{}, query.data() + head * head_dim, cache.keys<Stored>(layer, head),
                                cache.values<Stored>(layer, head), cache.value_stride(), eo::extent<>(head_dim), 0.125f,
                                0, entries, scores.data(), out.data() + head * head_dim);
        }
        benchmark::DoNotOptimize(out.data());
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(entries * cache.entry_bytes()));
}
void attend_f32(benchmark::State& state) { attend<eo::f32>(state, eo::dtype::f32); }
void attend_f16(benchmark::State& state) { attend<eo::f16>(state, eo::dtype::f16); }
void attend_bf16(benchmark::State& state) { attend<eo::bf16>(state, eo::dtype::bf16); }
BENCHMARK(attend_f32)->ArgName("entries")->Arg(64)->Arg(512)->Arg(1024);
BENCHMARK(attend_f16)->ArgName("entries")->Arg(64)->Arg(512)->Arg(1024);
BENCHMARK(attend_bf16)->ArgName("entries")->Arg(64)->Arg(512)->Arg(1024);

/// Runs `kernel` on n floats.
template <class Kernel>
void elementwise(benchmark::State& state, Kernel kernel) {
    const auto n = static_cast<std::size_t>(state.range(0));
    auto x = support::random_source(2).floats(n);
    std::vector<float> y(n);
    for (auto _ : state) {
        kernel(std::span<float>(x), std::span<float>(y));
        benchmark::DoNotOptimize(y.data());
        benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(n));
}

void layer_norm(benchmark::State& state) {
    const std::vector<float> ones(static_cast<std::size_t>(state.range(0)), 1.0f);
    elementwise(state, [&](std::span<float> x, std::span<float> y) {
        eo::kernels::layer_norm(x.data(), ones.data(), ones.data(), 1e-5f, y.data(), x.size());
    });
}
void gelu_tanh(benchmark::State& state) {
    elementwise(state, [](std::span<float> x, std::span<float> y) {
        std::copy(x.begin(), x.end(), y.begin());
        eo::kernels::gelu_tanh(y.data(), y.size());
    });
}
void quantize_row(benchmark::State& state) {
    eo::kernels::quantized_rows rounded(1, static_cast<std::size_t>(state.range(0)));
    elementwise(state, [&](std::span<float> x, std::span<float>) { rounded.set_row(0, x.data(), x.size()); });
}
void top_two(benchmark::State& state) {
    elementwise(state, [](std::span<float> x, std::span<float> y) {
        const auto top = eo::kernels::find_top_two(x.data(), x.size());
        y[0] = top.first + static_cast<float>(top.index);
    });
}
void log_sum_exp(benchmark::State& state) {
    elementwise(state, [](std::span<float> x, std::span<float> y) {
        y[0] = eo::kernels::log_sum_exp(x.data(), x.size(), 1.0f);
    });
}
BENCHMARK(layer_norm)->ArgName("n")->Arg(160)->Arg(768);
BENCHMARK(gelu_tanh)->ArgName("n")->Arg(640)->Arg(3072);
BENCHMARK(quantize_row)->ArgName("n")->Arg(160)->Arg(768)->Arg(3072);
BENCHMARK(top_two)->ArgName("n")->Arg(4096)->Arg(50257);
BENCHMARK(log_sum_exp)->ArgName("n")->Arg(4096)->Arg(50257);

}  // namespace
