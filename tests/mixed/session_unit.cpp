// SPDX-License-Identifier: MIT
// Logits of a small model, with all of the library that a session needs.
#include "unit.hpp"

#include <earlyout/earlyout.hpp>
#include <earlyout/kernels/any_format.hpp>
#include <earlyout/models/gpt2.hpp>
#include <earlyout/weights/memory_checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace eo = earlyout;

eo::memory_checkpoint small_checkpoint() {
    constexpr std::size_t d = 32, inner = 64, vocab = 50, context = 16, layers = 2;
    eo::memory_checkpoint made("small");
    std::uint32_t state = 1;
    const auto add = [&](const std::string& name, std::vector<std::size_t> shape, float mean) {
        std::size_t count = 1;
        for (const std::size_t extent : shape) count *= extent;
        std::vector<float> values(count);
        for (float& value : values) {
            state = state * 1664525u + 1013904223u;
            value = mean + (static_cast<float>(state >> 8) * 0x1p-24f - 0.5f);
        }
        made.add(name, std::move(shape), std::move(values));
    };
    const auto set = [&](const char* key, std::size_t value) { made.set(key, static_cast<std::int64_t>(value)); };
    set("n_layer", layers);
    set("n_embd", d);
    set("n_head", 2);
    set("n_inner", inner);
    set("vocab_size", vocab);
    set("n_positions", context);
    add("wte.weight", {vocab, d}, 0.0f);
    add("wpe.weight", {context, d}, 0.0f);
    add("ln_f.weight", {d}, 1.0f);
    add("ln_f.bias", {d}, 0.0f);
    for (std::size_t layer = 0; layer < layers; ++layer) {
        const std::string block = "h." + std::to_string(layer);
        for (const char* norm : {".ln_1", ".ln_2"}) {
            add(block + norm + ".weight", {d}, 1.0f);
            add(block + norm + ".bias", {d}, 0.0f);
        }
        const auto matrix = [&](const char* name, std::size_t in, std::size_t out) {
            add(block + name + ".weight", {in, out}, 0.0f);
            add(block + name + ".bias", {out}, 0.0f);
        };
        matrix(".attn.c_attn", d, 3 * d);
        matrix(".attn.c_proj", d, d);
        matrix(".mlp.c_fc", d, inner);
        matrix(".mlp.c_proj", inner, d);
    }
    return made;
}

[[maybe_unused]] const int counted = ++mixed::initialized;

}  // namespace

namespace mixed {

/// Ids of a completion and logits of a few tokens, in f32 and int8.
std::vector<float> EARLYOUT_VARIANT::compute() {
    std::printf("%s\n", eo::instruction_set);
    std::vector<float> all;
    for (const char* format : {"f32", "int8"}) {
        const auto network = eo::gpt2<eo::any_format>::from_checkpoint(small_checkpoint(), eo::any_format(format));
        eo::session s{network};
        const auto made = s.complete({1, 2, 3}, {.max_new_tokens = 4});
        for (const eo::token_id id : made.ids) all.push_back(static_cast<float>(id));
        eo::inline_executor on;
        eo::run_context context(network, 8, on);
        eo::sequence tokens(network.shape(), 8);
        for (const eo::token_id id : {1, 2, 3, made.ids.front()}) tokens.push(network, id);
        (void)eo::run_pending(network, 1, 2, tokens, context);
        std::vector<float> logits(network.shape().vocab);
        network.logits({tokens.hidden_state(3).data(), 1, network.shape().d_model}, {logits.data(), 1, logits.size()},
                       context);
        all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
}

void EARLYOUT_VARIANT::refuse(int kind) {
    if (kind == 0) throw refusal("refused");
    if (kind == 1) (void)eo::gpt2<>::from_checkpoint(eo::memory_checkpoint("empty"));
    (void)std::vector<int>().at(static_cast<std::size_t>(kind));
}

}  // namespace mixed
