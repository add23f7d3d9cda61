// SPDX-License-Identifier: MIT
// y = x Wᵀ for one token (bytes of weights per second) and for a prompt (operations per second), against Eigen on the
// same matrices. The weights of one token's product rotate through as many matrices as fill 256 MiB, so that they come
// from memory, as in a model; --benchmark_filter=cached keeps them in the cache.
#include <earlyout/kernels/any_format.hpp>

#include <benchmark/benchmark.h>
#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/random.hpp"
#include "support/rounding.hpp"

namespace eo = earlyout;

namespace {

using eigen_matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr std::size_t memory_bytes = std::size_t{256} << 20;

std::size_t copies(std::size_t bytes, bool cached) {
    return cached ? 1 : std::max<std::size_t>(1, memory_bytes / bytes);
}

void count_bytes(benchmark::State& state, std::size_t bytes) {
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}
void count_operations(benchmark::State& state, std::size_t out, std::size_t in, std::size_t tokens) {
    state.counters["FLOP/s"] =
        benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(2 * out * in * tokens),
                           benchmark::Counter::kIsRate);
}

template <class Format>
void earlyout_product(benchmark::State& state, bool cached) {
    const auto out = static_cast<std::size_t>(state.range(0)), in = static_cast<std::size_t>(state.range(1));
    const auto tokens = static_cast<std::size_t>(state.range(2));
    support::random_source random(1);
    const std::vector<float> weight = random.floats(out * in), x = random.floats(tokens * in);
    std::vector<float> y(tokens * out);
    const std::size_t bytes = eo::packed_matrix<Format>(out, in).bytes();
    eo::weight_arena arena;
    std::vector<eo::packed_matrix<Format>> weights;
    for (std::size_t i = copies(bytes, cached); i > 0; --i) {
        weights.emplace_back(out, in, Format{}, &arena).set_rows(0, {weight.data(), out, in});
    }
    support::rounded_rows scratch(tokens, in);
    std::size_t next = 0;
    for (auto _ : state) {
        const eo::packed_matrix<Format>& w = weights[next++ % weights.size()];
        const auto inputs = eo::kernels::prepare(w, {x.data(), tokens, in}, scratch,
                                                 [](std::size_t rows, auto body) { body(std::size_t{0}, rows); });
        eo::kernels::multiply(w, inputs, eo::extent<>(in), nullptr, {y.data(), tokens, out}, 0, w.panels());
        benchmark::DoNotOptimize(y.data());
        benchmark::ClobberMemory();
    }
    tokens == 1 ? count_bytes(state, bytes) : count_operations(state, out, in, tokens);
}

void eigen_product(benchmark::State& state, bool cached) {
    const auto out = state.range(0), in = state.range(1), tokens = state.range(2);
    const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
    const std::size_t bytes = size(out) * size(in) * sizeof(float);
    std::vector<eigen_matrix> weights(copies(bytes, cached), eigen_matrix::Random(out, in));
    const eigen_matrix x = eigen_matrix::Random(tokens, in);
    const Eigen::VectorXf one = x.row(0);
    eigen_matrix y(tokens, out);
    Eigen::VectorXf y_one(out);
    std::size_t next = 0;
    for (auto _ : state) {
        const eigen_matrix& w = weights[next++ % weights.size()];
        if (tokens == 1) {
            y_one.noalias() = w * one;
            benchmark::DoNotOptimize(y_one.data());
        } else {
            y.noalias() = x * w.transpose();
            benchmark::DoNotOptimize(y.data());
        }
        benchmark::ClobberMemory();
    }
    tokens == 1 ? count_bytes(state, bytes) : count_operations(state, size(out), size(in), size(tokens));
}

void one_token(benchmark::internal::Benchmark* b) {
    b->ArgNames({"out", "in", "tokens"});
    for (const auto& [out, in] : {std::pair{640, 160}, {768, 768}, {3072, 768}, {768, 3072}, {50257, 768}}) {
        b->Args({out, in, 1});
    }
}
void prompt(benchmark::internal::Benchmark* b) {
    b->ArgNames({"out", "in", "tokens"});
    for (const int tokens : {4, 16, 128}) b->Args({3072, 768, tokens});
    b->Args({768, 768, 128})->Args({640, 160, 128});
}

constexpr auto f32_product = earlyout_product<eo::f32>;
constexpr auto bf16_product = earlyout_product<eo::bf16>;
constexpr auto f16_product = earlyout_product<eo::f16>;
constexpr auto int8_product = earlyout_product<eo::int8>;
constexpr auto int4_product = earlyout_product<eo::int4>;
constexpr auto q4_k_product = earlyout_product<eo::q4_k>;
constexpr auto q5_k_product = earlyout_product<eo::q5_k>;
constexpr auto q6_k_product = earlyout_product<eo::q6_k>;
constexpr auto q5_0_product = earlyout_product<eo::q5_0>;
constexpr auto iq4_xs_product = earlyout_product<eo::iq4_xs>;
BENCHMARK_CAPTURE(f32_product, memory, false)->Apply(one_token);
BENCHMARK_CAPTURE(bf16_product, memory, false)->Apply(one_token);
BENCHMARK_CAPTURE(f16_product, memory, false)->Apply(one_token);
BENCHMARK_CAPTURE(int8_product, memory, false)->Apply(one_token);
BENCHMARK_CAPTURE(int4_product, memory, false)->Apply(one_token);
BENCHMARK_CAPTURE(q4_k_product, memory, false)->Args({3072, 768, 1})->Args({50257, 768, 1});
BENCHMARK_CAPTURE(q5_k_product, memory, false)->Args({3072, 768, 1})->Args({50257, 768, 1});
BENCHMARK_CAPTURE(q6_k_product, memory, false)->Args({3072, 768, 1})->Args({50257, 768, 1});
BENCHMARK_CAPTURE(q5_0_product, memory, false)->Args({3072, 768, 1})->Args({50257, 768, 1});
BENCHMARK_CAPTURE(iq4_xs_product, memory, false)->Args({3072, 768, 1})->Args({50257, 768, 1});
BENCHMARK_CAPTURE(eigen_product, memory, false)->Apply(one_token);
BENCHMARK_CAPTURE(f32_product, cached, true)->Args({640, 160, 1});
BENCHMARK_CAPTURE(bf16_product, cached, true)->Args({640, 160, 1});
BENCHMARK_CAPTURE(f16_product, cached, true)->Args({640, 160, 1});
BENCHMARK_CAPTURE(int8_product, cached, true)->Args({640, 160, 1});
BENCHMARK_CAPTURE(int4_product, cached, true)->Args({640, 160, 1});
BENCHMARK_CAPTURE(eigen_product, cached, true)->Args({640, 160, 1});
BENCHMARK_CAPTURE(f32_product, prompt, true)->Apply(prompt);
BENCHMARK_CAPTURE(bf16_product, prompt, true)->Apply(prompt);
BENCHMARK_CAPTURE(f16_product, prompt, true)->Apply(prompt);
BENCHMARK_CAPTURE(int8_product, prompt, true)->Apply(prompt);
BENCHMARK_CAPTURE(int4_product, prompt, true)->Apply(prompt);
BENCHMARK_CAPTURE(q4_k_product, prompt, true)->Args({3072, 768, 4})->Args({3072, 768, 16})->Args({3072, 768, 128});
BENCHMARK_CAPTURE(q5_k_product, prompt, true)->Args({3072, 768, 4})->Args({3072, 768, 16})->Args({3072, 768, 128});
BENCHMARK_CAPTURE(q6_k_product, prompt, true)->Args({3072, 768, 4})->Args({3072, 768, 16})->Args({3072, 768, 128});
BENCHMARK_CAPTURE(q5_0_product, prompt, true)->Args({3072, 768, 4})->Args({3072, 768, 16})->Args({3072, 768, 128});
BENCHMARK_CAPTURE(iq4_xs_product, prompt, true)->Args({3072, 768, 4})->Args({3072, 768, 16})->Args({3072, 768, 128});
BENCHMARK_CAPTURE(eigen_product, prompt, true)->Apply(prompt);

}  // namespace
