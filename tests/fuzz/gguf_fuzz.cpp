// SPDX-License-Identifier: MIT
// Any bytes are a readable GGUF file, or one earlyout::error; the same as a checkpoint with its tokenizer, and as a
// network.
#include <earlyout/io/gguf_text.hpp>
#include <earlyout/io/gguf_tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fuzz/run_model.hpp"

namespace {

namespace eo = earlyout;

template <class Read>
void attempt(Read read) {
    try {
        read();
    } catch (const eo::error&) {
    }
}

/// Touches every byte of a tensor, so that the address sanitizer sees them.
void decode(const eo::tensor_view& view) {
    if (view.bytes.size() != eo::bytes_of(view.type, view.element_count())) __builtin_trap();
    std::vector<float> values(view.element_count());
    attempt([&] { eo::to_floats(view, values, "fuzz"); });
}

void read_contents(const eo::io::gguf& contents) {
    for (const auto& [name, view] : contents.tensors()) decode(view);
    for (const auto& [key, value] : contents.values()) {
        attempt([&, &key = key] { (void)contents.integer(key); });
        attempt([&, &key = key] { (void)contents.real(key); });
        attempt([&, &key = key] { (void)contents.boolean(key); });
        attempt([&, &key = key] { (void)contents.text(key); });
        attempt([&, &key = key] { (void)contents.texts(key); });
        attempt([&, &key = key] { (void)contents.integers(key); });
        attempt([&, &key = key] { (void)contents.reals(key); });
    }
}

void read_checkpoint(const eo::io::gguf_checkpoint& from) {
    attempt([&] {
        const auto words = eo::io::read_tokenizer(from.contents(), eo::io::read_generation_config(from));
        if (words) (void)words->decode(words->encode("if x<s>:\n 12"));
    });
    for (const char* key : {"hidden_size", "n_embd", "head_dim", "vocab_size", "sliding_window"})
        (void)from.integer(key);
    (void)from.text("model_type");
    attempt([&] { fuzz::run(from, eo::any_format::as_stored()); });
    for (const char* layers : {"model.layers.", "transformer.h."}) {
        for (const char* name : {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "attn.c_attn.weight"}) {
            attempt([&] {
                const eo::tensor_view* found = from.find(std::string(layers).append("0.").append(name));
                if (found != nullptr) decode(*found);
            });
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    attempt([&] { read_contents(eo::io::gguf(bytes, "fuzz")); });
    attempt([&] { read_checkpoint(eo::io::gguf_checkpoint(bytes, "fuzz")); });
    return 0;
}
