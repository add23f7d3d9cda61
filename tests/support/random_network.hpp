// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_RANDOM_NETWORK_HPP
#define EARLYOUT_TESTS_SUPPORT_RANDOM_NETWORK_HPP

#include <earlyout/core/shape.hpp>
#include <earlyout/models/gpt2.hpp>
#include <earlyout/weights/memory_checkpoint.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// A GPT-2 checkpoint with random weights, the same on every platform. Large enough weights that layers
/// disagree about the next token.
inline earlyout::memory_checkpoint random_gpt2_checkpoint(const earlyout::model_shape& given, std::uint32_t seed) {
    const earlyout::model_shape s = given.completed();
    earlyout::memory_checkpoint made("random GPT-2");
    std::mt19937 engine(seed);
    const auto add = [&](std::string name, std::vector<std::size_t> shape, float deviation, float mean = 0.0f) {
        std::size_t count = 1;
        for (const std::size_t extent : shape) count *= extent;
        std::vector<float> values(count);
        for (float& value : values) {
            value = mean + deviation * 3.4641016f * (static_cast<float>(engine() >> 8) * 0x1p-24f - 0.5f);
        }
        made.add(std::move(name), std::move(shape), std::move(values));
    };
    const auto set = [&](const char* key, std::size_t value) { made.set(key, static_cast<std::int64_t>(value)); };
    const auto norm = [&](const std::string& name) {
        add(name + ".weight", {s.d_model}, 0.1f, 1.0f);
        add(name + ".bias", {s.d_model}, 0.1f);
    };
    const auto conv1d = [&](const std::string& name, std::size_t in, std::size_t out, float gain) {
        add(name + ".weight", {in, out}, gain / std::sqrt(static_cast<float>(in)));
        add(name + ".bias", {out}, 0.1f);
    };
    set("n_layer", s.layers);
    set("n_embd", s.d_model);
    set("n_head", s.heads);
    set("n_inner", s.d_ff);
    set("vocab_size", s.vocab);
    set("n_positions", s.context);
    add("wte.weight", {s.vocab, s.d_model}, 0.5f);
    add("wpe.weight", {s.context, s.d_model}, 0.3f);
    norm("ln_f");
    for (std::size_t layer = 0; layer < s.layers; ++layer) {
        const std::string block = "h." + std::to_string(layer);
        norm(block + ".ln_1");
        norm(block + ".ln_2");
        conv1d(block + ".attn.c_attn", s.d_model, 3 * s.d_model, 2.0f);
        conv1d(block + ".attn.c_proj", s.d_model, s.d_model, 1.0f);
        conv1d(block + ".mlp.c_fc", s.d_model, s.d_ff, 1.0f);
        conv1d(block + ".mlp.c_proj", s.d_ff, s.d_model, 1.5f);
    }
    return made;
}

inline earlyout::gpt2<> random_gpt2(const earlyout::model_shape& shape, std::uint32_t seed) {
    return earlyout::gpt2<>::from_checkpoint(random_gpt2_checkpoint(shape, seed));
}

}  // namespace support

#endif
