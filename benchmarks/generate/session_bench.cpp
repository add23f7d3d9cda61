// SPDX-License-Identifier: MIT
// Whole completions of the example model: 40 prompts of Python, 48 new tokens each. items_per_second are new tokens per
// second, prompts included; `layers` is the mean exit layer of 8, `agree` the share of tokens equal to those at full
// depth before the first that differs.
#include <earlyout/earlyout.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/gpt2.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace eo = earlyout;

namespace {

using ids = std::vector<eo::token_id>;

template <class Format = eo::f32, eo::model_shape Shape = eo::model_shape{}>
const eo::io::pretrained<eo::gpt2<Format, Shape>>& model() {
    static const auto loaded = eo::io::load<eo::gpt2<Format, Shape>>(EARLYOUT_EXAMPLE_MODEL);
    return loaded;
}

/// Beginnings of files, classes, functions and tests, crossed with names.
const std::vector<ids>& prompts() {
    static const std::vector<ids> made = [] {
        const std::vector<std::string> starts = {"import os\nimport sys\n\n\ndef NAME(",
                                                 "class NAME(object):\n    def __init__(self, ",
                                                 "def test_NAME(self):\n        self.assert",
                                                 "from NAME import ",
                                                 "    def get_NAME(self):\n        \"\"\"Return ",
                                                 "    if NAME is None:\n        raise ",
                                                 "for name in NAME:\n    if ",
                                                 "    try:\n        NAME = "};
        std::vector<ids> all;
        for (std::string start : starts) {
            for (const char* name : {"path", "parser", "data", "value", "request"}) {
                std::string text = start;
                text.replace(text.find("NAME"), 4, name);
                all.push_back(model().tokenizer().encode(text));
            }
        }
        return all;
    }();
    return made;
}

const eo::generate_options& options() {
    static const eo::generate_options chosen = [] {
        eo::generate_options o{.max_new_tokens = 48};
        o.end_of_text.emplace();  // never stops early: the same work for all
        return o;
    }();
    return chosen;
}

const std::vector<ids>& full_depth_texts() {
    static const std::vector<ids> made = [] {
        eo::session s{model()};
        std::vector<ids> all;
        for (const ids& prompt : prompts()) all.push_back(s.complete(prompt, options()).ids);
        return all;
    }();
    return made;
}

template <class Format = eo::f32, eo::model_shape Shape = eo::model_shape{}, class Policy>
void complete(benchmark::State& state, const Policy& policy) {
    eo::session s{model<Format, Shape>(), policy, {.threads = static_cast<std::size_t>(state.range(0))}};
    const std::vector<ids>& full = full_depth_texts();
    std::size_t tokens = 0, same = 0;
    double layers = 0.0;
    for (auto _ : state) {
        for (std::size_t i = 0; i < full.size(); ++i) {
            const eo::completion made = s.complete(prompts()[i], options());
            same += static_cast<std::size_t>(std::ranges::mismatch(made.ids, full[i]).in1 - made.ids.begin());
            tokens += made.ids.size();
            for (const std::size_t layer : made.exit_layers) layers += static_cast<double>(layer);
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(tokens));
    state.counters["layers"] = layers / static_cast<double>(tokens);
    state.counters["agree"] = static_cast<double>(same) / static_cast<double>(tokens);
}

template <class Gate, class Cache>
auto policy(const Gate& gate, std::vector<std::size_t> layers, Cache cache) {
    return eo::exit_policy{eo::exit_plan{eo::exit_layers(std::move(layers)), gate}, eo::shared_head{}, cache};
}

const std::vector<std::size_t> every{1, 2, 3, 4, 5, 6, 7};

/// The model's own gate without its stop decision: tokens are compared, not completions.
eo::sec_gate sec(float threshold) {
    return eo::sec_gate{model().exits().linear("sec"), {.exit = threshold, .stop = 1.0f}};
}

void full_depth(benchmark::State& state) { complete(state, eo::full_depth()); }
void full_depth_bf16(benchmark::State& state) { complete<eo::bf16>(state, eo::full_depth()); }
void full_depth_int8(benchmark::State& state) { complete<eo::int8>(state, eo::full_depth()); }
void full_depth_int4(benchmark::State& state) { complete<eo::int4>(state, eo::full_depth()); }
void half_depth_propagate(benchmark::State& state) { complete(state, policy(eo::always_exit{}, {4}, eo::propagate{})); }
void half_depth_defer(benchmark::State& state) { complete(state, policy(eo::always_exit{}, {4}, eo::defer{})); }
void sec_40_propagate(benchmark::State& state) { complete(state, policy(sec(0.4f), every, eo::propagate{})); }
void sec_40_defer(benchmark::State& state) { complete(state, policy(sec(0.4f), every, eo::defer{})); }
void sec_50_propagate(benchmark::State& state) { complete(state, policy(sec(0.5f), every, eo::propagate{})); }
void sec_50_defer(benchmark::State& state) { complete(state, policy(sec(0.5f), every, eo::defer{})); }
void sec_50_defer_bf16(benchmark::State& state) { complete<eo::bf16>(state, policy(sec(0.5f), every, eo::defer{})); }
void sec_50_defer_int8(benchmark::State& state) { complete<eo::int8>(state, policy(sec(0.5f), every, eo::defer{})); }
void margin_30_defer_int8(benchmark::State& state) {
    complete<eo::int8>(state, policy(eo::margin{.threshold = 0.3f}, {2}, eo::defer{}));
}
/// The same network with its sizes known at compile time.
template <class Format>
void full_depth_static(benchmark::State& state) {
    static constexpr eo::model_shape shape{
        .layers = 8, .d_model = 160, .heads = 5, .d_ff = 640, .vocab = 4096, .context = 512};
    complete<Format, shape>(state, eo::full_depth());
}
void full_depth_static_f32(benchmark::State& state) { full_depth_static<eo::f32>(state); }
void full_depth_static_int8(benchmark::State& state) { full_depth_static<eo::int8>(state); }
void sec_70_defer(benchmark::State& state) { complete(state, policy(sec(0.7f), every, eo::defer{})); }
void margin_30_defer(benchmark::State& state) {
    complete(state, policy(eo::margin{.threshold = 0.3f}, {2}, eo::defer{}));
}

#define EARLYOUT_COMPLETION(name) \
    BENCHMARK(name)->ArgName("threads")->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond)
EARLYOUT_COMPLETION(full_depth);
EARLYOUT_COMPLETION(full_depth_bf16);
EARLYOUT_COMPLETION(full_depth_int8);
EARLYOUT_COMPLETION(full_depth_int4);
EARLYOUT_COMPLETION(full_depth_static_f32);
EARLYOUT_COMPLETION(full_depth_static_int8);
EARLYOUT_COMPLETION(half_depth_propagate);
EARLYOUT_COMPLETION(half_depth_defer);
EARLYOUT_COMPLETION(sec_40_propagate);
EARLYOUT_COMPLETION(sec_40_defer);
EARLYOUT_COMPLETION(sec_50_propagate);
EARLYOUT_COMPLETION(sec_50_defer);
EARLYOUT_COMPLETION(sec_50_defer_bf16);
EARLYOUT_COMPLETION(sec_50_defer_int8);
EARLYOUT_COMPLETION(sec_70_defer);
EARLYOUT_COMPLETION(margin_30_defer);
EARLYOUT_COMPLETION(margin_30_defer_int8);

}  // namespace
