// SPDX-License-Identifier: MIT
// One query of each of 12 heads of 64 over a cache in main memory: bytes of keys and values per second; a chunk of a
// long prompt: operations per second, comparable to multiply_add's. And the element-wise kernels of one token.
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
#include <utility>
#include <vector>

#include "support/random.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;

namespace {

constexpr std::size_t heads = 12, head_dim = 64;

/// The last `tokens` of `entries` entries attend in every head, in one layer after another.
class attended {
public:
    attended(std::size_t tokens, std::size_t entries, std::size_t layers, eo::kv_format stored)
        : cache_(eo::model_shape{.layers = layers, .d_model = heads * head_dim, .heads = heads}.completed(), entries,
                 stored),
          query_(random_.floats(tokens * heads * head_dim)),
          out_(query_.size()),
          scratch_(eo::kernels::attention_scratch<>(head_dim)) {
        for (std::size_t layer = 1; layer <= layers; ++layer) {
            for (std::size_t p = 0; p < entries; ++p) {
                const auto key = random_.floats(heads * head_dim), value = random_.floats(heads * head_dim);
                cache_.append(layer, p, key.data(), value.data());
            }
        }
        for (std::size_t head = 0; head < heads; ++head) {
            for (std::size_t t = 0; t < tokens; ++t) {
                const std::size_t at = (t * heads + head) * head_dim;
                queries_.push_back({query_.data() + at, out_.data() + at, 0, entries - tokens + t + 1});
            }
        }
    }

    template <class Stored>
    void operator()(Stored stored) {
        layer_ = layer_ % cache_.layers() + 1;
        const std::size_t tokens = queries_.size() / heads;
        for (std::size_t head = 0; head < heads; ++head) {
            for (std::size_t t = 0; t < tokens;) {
                const std::size_t count = std::min(eo::kernels::max_queries<eo::default_arch>, tokens - t);
                eo::kernels::attend(stored, std::span(std::as_const(queries_)).subspan(head * tokens + t, count),
                                    cache_.pages(layer_, head), eo::extent<>(head_dim), 0.125f, scratch_.data());
                t += count;
            }
        }
        benchmark::DoNotOptimize(out_.data());
        benchmark::ClobberMemory();
    }

    std::size_t entry_bytes() const { return cache_.entry_bytes(); }
    /// Products of a query and a key's component or a weight and a value's, each with its sum two operations.
    std::size_t operations() const {
        std::size_t seen = 0;
        for (const auto& q : queries_) seen += q.last - q.first;
        return seen * 4 * head_dim;
    }

private:
    support::random_source random_{1};
    eo::kv_cache cache_;
    std::vector<float> query_, out_;
    eo::aligned_buffer<float> scratch_;
    std::vector<eo::kernels::head_query> queries_;
    std::size_t layer_ = 0;
};

template <class Stored>
void attend(benchmark::State& state, eo::kv_format stored) {
    const auto entries = static_cast<std::size_t>(state.range(0));
    attended one(1, entries, 24, stored);  // enough layers to exceed the caches
    for (auto _ : state) one(Stored{});
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(entries * one.entry_bytes()));
}
void attend_f32(benchmark::State& state) { attend<eo::f32>(state, eo::f32{}); }
void attend_f16(benchmark::State& state) { attend<eo::f16>(state, eo::f16{}); }
void attend_bf16(benchmark::State& state) { attend<eo::bf16>(state, eo::bf16{}); }
void attend_int8(benchmark::State& state) { attend<eo::int8>(state, eo::int8{}); }
BENCHMARK(attend_f32)->ArgName("entries")->Arg(64)->Arg(512)->Arg(1024);
BENCHMARK(attend_f16)->ArgName("entries")->Arg(64)->Arg(512)->Arg(1024);
BENCHMARK(attend_bf16)->ArgName("entries")->Arg(64)->Arg(512)->Arg(1024);
BENCHMARK(attend_int8)->ArgName("entries")->Arg(64)->Arg(512)->Arg(1024);

template <class Stored>
void attend_block(benchmark::State& state, eo::kv_format stored) {
    attended block(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)), 1, stored);
    for (auto _ : state) block(Stored{});
    state.counters["FLOP/s"] = benchmark::Counter(
        static_cast<double>(state.iterations()) * static_cast<double>(block.operations()), benchmark::Counter::kIsRate);
}
void attend_block_f32(benchmark::State& state) { attend_block<eo::f32>(state, eo::f32{}); }
void attend_block_f16(benchmark::State& state) { attend_block<eo::f16>(state, eo::f16{}); }
void attend_block_bf16(benchmark::State& state) { attend_block<eo::bf16>(state, eo::bf16{}); }
void attend_block_int8(benchmark::State& state) { attend_block<eo::int8>(state, eo::int8{}); }
BENCHMARK(attend_block_f32)
    ->ArgNames({"tokens", "entries"})
    ->Args({1, 1000})
    ->Args({4, 1000})
    ->Args({128, 128})
    ->Args({128, 1000})
    ->Args({128, 8000});
BENCHMARK(attend_block_f16)->ArgNames({"tokens", "entries"})->Args({128, 1000});
BENCHMARK(attend_block_bf16)->ArgNames({"tokens", "entries"})->Args({128, 1000});
BENCHMARK(attend_block_int8)->ArgNames({"tokens", "entries"})->Args({128, 1000});

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
    support::rounded_rows rounded(1, static_cast<std::size_t>(state.range(0)));
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
