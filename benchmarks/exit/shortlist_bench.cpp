// SPDX-License-Identifier: MIT
// Cost of a shortlist against a full head, at the size of the example model and of GPT-2: finding the most likely
// tokens and copying their rows (once for each token that reaches a second exit), then each further evaluation.
//
//     earlyout_exit_benchmarks --benchmark_filter='full_head|find|copy|short_head'
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/kernels/argmax.hpp>
#include <earlyout/kernels/top_k.hpp>
#include <earlyout/nn/linear.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

#include "support/forward_pass.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

namespace {

/// The output matrix of a model, and one hidden state's logits.
template <class Format>
struct output {
    explicit output(benchmark::State& state)
        : matrix(static_cast<std::size_t>(state.range(1)), static_cast<std::size_t>(state.range(0))),
          few(matrix.room_for(static_cast<std::size_t>(state.range(2)))),
          x(support::random_source(1).floats(matrix.in())),
          context(support::scratch_of_part<eo::linear<Format>>{&matrix}, 1, on),
          logits(matrix.out()),
          ids(2 * few.out()) {
        const std::vector<float> weight = support::random_source(2).floats(matrix.out() * matrix.in(), 0.05f);
        matrix.weight().set_rows(0, {weight.data(), matrix.out(), matrix.in()});
        answer(matrix);
        find();
    }
    void answer(const eo::linear<Format>& with) {
        with({x.data(), 1, x.size()}, {logits.data(), 1, with.out()}, context);
        top = eo::kernels::find_top_two(logits.data(), with.out());
        benchmark::DoNotOptimize(eo::kernels::log_sum_exp(logits.data(), with.out(), top.first));
    }
    void summarize() {
        eo::kernels::logit_summary found;
        matrix.summarize({x.data(), 1, x.size()}, {&found, 1}, context);
        top = found.top;
    }
    void find() { eo::kernels::find_top_k(logits.data(), logits.size(), few.out(), ids); }
    void copy() { matrix.gather(std::span(ids).first(few.out()), few, context); }

    eo::inline_executor on;
    eo::linear<Format> matrix, few;
    std::vector<float> x;
    eo::run_context context;
    std::vector<float> logits;
    std::vector<eo::token_id> ids;
    eo::kernels::top_two top;
};

template <class Format>
void full_head(benchmark::State& state) {
    output<Format> o(state);
    for (auto _ : state) o.answer(o.matrix);
}
/// The same result without stored logits.
template <class Format>
void summarized_head(benchmark::State& state) {
    output<Format> o(state);
    for (auto _ : state) o.summarize();
}
template <class Format>
void find(benchmark::State& state) {
    output<Format> o(state);
    for (auto _ : state) o.find();
}
template <class Format>
void copy(benchmark::State& state) {
    output<Format> o(state);
    for (auto _ : state) {
        // As after a full head, which has read the whole matrix.
        if (o.matrix.bytes() > (std::size_t{1} << 24)) {
            state.PauseTiming();
            o.answer(o.matrix);
            state.ResumeTiming();
        }
        o.copy();
    }
}
template <class Format>
void short_head(benchmark::State& state) {
    output<Format> o(state);
    o.copy();
    for (auto _ : state) o.answer(o.few);
}

void shortlist_sizes(benchmark::internal::Benchmark* b) {
    b->ArgNames({"d_model", "vocab", "tokens"})->Unit(benchmark::kMicrosecond);
    for (const long tokens : {64L, 256L}) b->Args({160, 4096, tokens})->Args({768, 50257, tokens});
}
BENCHMARK(full_head<eo::f32>)->Apply(shortlist_sizes);
BENCHMARK(summarized_head<eo::f32>)->Apply(shortlist_sizes);
BENCHMARK(find<eo::f32>)->Apply(shortlist_sizes);
BENCHMARK(copy<eo::f32>)->Apply(shortlist_sizes);
BENCHMARK(short_head<eo::f32>)->Apply(shortlist_sizes);
BENCHMARK(full_head<eo::bf16>)->Apply(shortlist_sizes);
BENCHMARK(copy<eo::bf16>)->Apply(shortlist_sizes);
BENCHMARK(short_head<eo::bf16>)->Apply(shortlist_sizes);
BENCHMARK(full_head<eo::int8>)->Apply(shortlist_sizes);
BENCHMARK(summarized_head<eo::int8>)->Apply(shortlist_sizes);
BENCHMARK(copy<eo::int8>)->Apply(shortlist_sizes);
BENCHMARK(short_head<eo::int8>)->Apply(shortlist_sizes);

}  // namespace
