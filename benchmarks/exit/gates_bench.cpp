// SPDX-License-Identifier: MIT
// What one evaluation of a gate costs, exit head included, at the size of the example model and of GPT-2.
// `layer` is what it may save: one layer for one token, its weights from memory unless they fit the cache.
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/gates/decaying.hpp>
#include <earlyout/exit/gates/entropy.hpp>
#include <earlyout/exit/gates/jei_dnn.hpp>
#include <earlyout/exit/gates/learn_to_exit.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/gates/max_probability.hpp>
#include <earlyout/exit/gates/patience.hpp>
#include <earlyout/exit/gates/saturation.hpp>
#include <earlyout/exit/gates/sec_gate.hpp>
#include <earlyout/exit/signals.hpp>
#include <earlyout/kernels/multiply.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <span>
#include <vector>

#include "support/random.hpp"

namespace eo = earlyout;

namespace {

/// One exit: a hidden state and the output matrix (the final norm is too small to matter).
struct exit_point final : eo::logit_source {
    exit_point(std::size_t d_model, std::size_t vocab)
        : signals(d_model, vocab), output(vocab, d_model), hidden(support::random_source(1).floats(d_model)) {
        const std::vector<float> weight = support::random_source(2).floats(vocab * d_model, 0.05f);
        output.set_rows(0, {weight.data(), vocab, d_model});
    }
    void logits(std::size_t, std::span<const float> state, std::span<float> out) override {
        eo::kernels::multiply(output, {state.data(), 1, state.size()}, eo::extent<>(state.size()), nullptr,
                              {out.data(), 1, out.size()}, 0, output.panels());
    }
    eo::kernels::logit_summary summary(std::size_t, std::span<const float>) override { return {}; }
    void set_shortlist(std::span<const eo::token_id>) override {}
    void shortlist_logits(std::size_t, std::span<const float>, std::span<float>) override {}

    eo::exit_signals signals;
    eo::packed_matrix<> output;
    std::vector<float> hidden;
};

template <class Gate>
void evaluate(benchmark::State& state, const Gate& gate) {
    exit_point at(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)));
    constexpr bool looks_back = Gate::signals.contains(eo::signal::previous_hidden_state);
    auto sequence = eo::start_sequence(gate);
    for (auto _ : state) {
        eo::token_state_of<Gate> token{};
        at.signals.start_token(0);
        at.signals.begin_exit(1, at.hidden, at);
        if constexpr (looks_back) {
            at.signals.end_exit();
            at.signals.begin_exit(2, at.hidden, at);
        }
        benchmark::DoNotOptimize(eo::evaluate(gate, at.signals, token, sequence));
    }
}

void sec(benchmark::State& state) {
    const auto d_model = static_cast<std::size_t>(state.range(0));
    const std::vector<float> weight = support::random_source(3).floats(3 * d_model);
    evaluate(state, eo::sec_gate({.outputs = 3, .inputs = d_model, .weight = weight, .bias = {}}));
}
void learn_to_exit(benchmark::State& state) {
    const auto d_model = static_cast<std::size_t>(state.range(0));
    const std::vector<float> weight = support::random_source(4).floats(d_model);
    evaluate(state, eo::learn_to_exit({.outputs = 1, .inputs = d_model, .weight = weight, .bias = {}}));
}
void saturation(benchmark::State& state) { evaluate(state, eo::saturation{}); }
void margin(benchmark::State& state) { evaluate(state, eo::margin{}); }
void decaying_margin(benchmark::State& state) { evaluate(state, eo::decaying{eo::margin{}, 64}); }
void max_probability(benchmark::State& state) { evaluate(state, eo::max_probability{}); }
void entropy(benchmark::State& state) { evaluate(state, eo::entropy{}); }
void patience(benchmark::State& state) { evaluate(state, eo::patience{}); }
void jei_dnn(benchmark::State& state) {
    const std::vector<float> weight = support::random_source(5).floats(4);
    evaluate(state, eo::jei_dnn({.outputs = 1, .inputs = 4, .weight = weight, .bias = {}}));
}

/// The products of one GPT-2 layer for one token.
void layer(benchmark::State& state) {
    const auto d = static_cast<std::size_t>(state.range(0));
    const std::vector<float> x(4 * d, 0.5f);
    std::vector<float> y(4 * d);
    const eo::packed_matrix<> qkv(3 * d, d), out(d, d), up(4 * d, d), down(d, 4 * d);
    for (auto _ : state) {
        for (const auto* w : {&qkv, &out, &up, &down}) {
            eo::kernels::multiply(*w, {x.data(), 1, w->in()}, eo::extent<>(w->in()), nullptr, {y.data(), 1, w->out()},
                                  0, w->panels());
        }
        benchmark::DoNotOptimize(y.data());
        benchmark::ClobberMemory();
    }
}

void sizes(benchmark::internal::Benchmark* b) {
    b->ArgNames({"d_model", "vocab"})->Args({160, 4096})->Args({768, 50257})->Unit(benchmark::kMicrosecond);
}
BENCHMARK(sec)->Apply(sizes);
BENCHMARK(learn_to_exit)->Apply(sizes);
BENCHMARK(saturation)->Apply(sizes);
BENCHMARK(margin)->Apply(sizes);
BENCHMARK(decaying_margin)->Apply(sizes);
BENCHMARK(max_probability)->Apply(sizes);
BENCHMARK(entropy)->Apply(sizes);
BENCHMARK(patience)->Apply(sizes);
BENCHMARK(jei_dnn)->Apply(sizes);
BENCHMARK(layer)->Apply(sizes);

}  // namespace
