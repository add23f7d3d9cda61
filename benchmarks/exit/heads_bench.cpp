// SPDX-License-Identifier: MIT
// Cost of an exit's output with each head, at the size of the example model and of GPT-2, in f32 and int8: an untied
// matrix reads as much as the shared one, an adapter of rank 16 hardly more.
#include <earlyout/core/executor.hpp>
#include <earlyout/exit/heads/adapter_head.hpp>
#include <earlyout/exit/heads/own_head.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/nn/run_context.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/forward_pass.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

namespace {

constexpr std::size_t rank = 16;

/// The output matrix (the final norm is too small to matter) and one row.
template <class Format>
struct answered {
    answered(std::size_t d, std::size_t vocab)
        : output(vocab, d), hidden(support::random_source(1).floats(d)), logits(vocab) {
        const std::vector<float> weight = support::random_source(2).floats(vocab * d, 0.05f);
        output.weight().set_rows(0, {weight.data(), vocab, d});
        exits.set_model({1, d, vocab, "", "f32"});
        exits.set("head.1.weight", {vocab, d}, weight);
        exits.set("adapter.1.down.weight", {rank, d}, support::random_source(3).floats(rank * d));
        exits.set("adapter.1.up.weight", {d, rank}, support::random_source(4).floats(rank * d));
    }

    template <class Head>
    void measure(benchmark::State& state, const Head& head) {
        eo::run_context context(support::scratch_of_part<eo::linear<Format>>{&output}, 1, on,
                                eo::head_scratch_bytes(head, 1));
        const auto own = [&](eo::matrix_view<const float> from, eo::matrix_view<float> into) {
            output(from, into, context);
        };
        const eo::lm_head with(own, context);
        for (auto _ : state) {
            head(1, eo::matrix_view<const float>{hidden.data(), 1, hidden.size()},
                 eo::matrix_view<float>{logits.data(), 1, logits.size()}, with);
            benchmark::DoNotOptimize(logits.data());
            benchmark::ClobberMemory();
        }
    }

    eo::inline_executor on;
    eo::linear<Format> output;
    std::vector<float> hidden;
    std::vector<float> logits;
    eo::exit_weights exits;
};

template <class Format>
answered<Format> at(const benchmark::State& state) {
    return {static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1))};
}

template <class Format>
void shared(benchmark::State& state) {
    at<Format>(state).measure(state, eo::shared_head{});
}
template <class Format>
void own(benchmark::State& state) {
    answered<Format> made = at<Format>(state);
    made.measure(state, eo::own_head<Format>(made.exits));
}
template <class Format>
void adapter(benchmark::State& state) {
    answered<Format> made = at<Format>(state);
    made.measure(state, eo::adapter_head<Format>(made.exits));
}

void head_sizes(benchmark::internal::Benchmark* b) {
    b->ArgNames({"d_model", "vocab"})->Args({160, 4096})->Args({768, 50257})->Unit(benchmark::kMicrosecond);
}
BENCHMARK(shared<eo::f32>)->Apply(head_sizes);
BENCHMARK(own<eo::f32>)->Apply(head_sizes);
BENCHMARK(adapter<eo::f32>)->Apply(head_sizes);
BENCHMARK(shared<eo::int8>)->Apply(head_sizes);
BENCHMARK(own<eo::int8>)->Apply(head_sizes);
BENCHMARK(adapter<eo::int8>)->Apply(head_sizes);

}  // namespace
