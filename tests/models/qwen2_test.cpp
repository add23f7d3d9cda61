// SPDX-License-Identifier: MIT
#include <earlyout/models/qwen2.hpp>
#include <earlyout/models/qwen3.hpp>

#include <cstdint>
#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"

namespace eo = earlyout;
using eo::errc;
using support::editable_copy;
using support::error_of;
using support::golden;
using support::read_error;
using support::thrown;
using support::tolerance;
using support::worst;

TEST_CASE("Qwen2's window applies to the layers that the configuration selects", "[models][qwen2]") {
    const golden expected("qwen2_window");
    const auto distance = [&](const eo::checkpoint& from) {
        return worst(eo::qwen2<>::from_checkpoint(from), expected, {1000}, 8);
    };
    CHECK(distance(editable_copy("qwen2_window")) < tolerance);
    CHECK(distance(editable_copy("qwen2_window").set("use_sliding_window", false)) > 0.01f);
    CHECK(distance(editable_copy("qwen2_window").set("max_window_layers", std::int64_t{2})) > 0.01f);
    // A list of layer types takes precedence.
    const auto listed = [](const char* second) {
        eo::memory_checkpoint made = editable_copy("qwen2_window");
        made.set("max_window_layers", std::int64_t{3}).set("layer_types.0", std::string("full_attention"));
        made.set("layer_types.1", std::string(second)).set("layer_types.2", std::string("sliding_attention"));
        return made;
    };
    CHECK(distance(listed("sliding_attention")) < tolerance);
    CHECK(distance(listed("full_attention")) > 0.01f);
    CHECK(read_error<eo::qwen2<>>(listed("chunked_attention")) ==
          thrown(errc::unsupported, {"'layer_types.1'", "'chunked_attention'"}));
}

TEST_CASE("absent keys of a Qwen configuration have Hugging Face's defaults", "[models][qwen2][qwen3]") {
    eo::memory_checkpoint from;
    for (const char* key : {"num_hidden_layers", "vocab_size", "max_position_embeddings", "intermediate_size"}) {
        from.set(key, std::int64_t{40});
    }
    from.set("num_attention_heads", std::int64_t{64}).set("hidden_size", std::int64_t{256});
    const eo::detail::checkpoint_reader reader(from, "model.");
    const auto window = [&](std::size_t layer) { return eo::qwen2_architecture::window(reader, layer); };
    CHECK(window(40) == 0);
    from.set("use_sliding_window", true);
    CHECK(window(28) == 0);
    CHECK(window(29) == 4096);
    from.set("max_window_layers", std::int64_t{3});
    CHECK(window(4) == 4096);
    from.set("sliding_window", nullptr);
    CHECK(window(4) == 0);

    CHECK(eo::qwen2_architecture::shape(reader).kv_heads == 32);
    CHECK(eo::qwen2_architecture::shape(reader).head_dim == 4);
    CHECK(eo::qwen3_architecture::shape(reader).kv_heads == 32);
    CHECK(eo::qwen3_architecture::shape(reader).head_dim == 128);
    from.set("num_key_value_heads", nullptr);
    CHECK(eo::qwen2_architecture::shape(reader).kv_heads == 64);
}

TEST_CASE("Qwen2 requires its biases", "[models][qwen2][errors]") {
    CHECK(read_error<eo::qwen2<>>(editable_copy("qwen2_window", "model.layers.1.self_attn.k_proj.bias", "elsewhere")) ==
          thrown(errc::missing_tensor, {"k_proj.bias", "missing"}));
}
