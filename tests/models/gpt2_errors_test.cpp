// SPDX-License-Identifier: MIT
#include <earlyout/models/gpt2.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/lacking.hpp"

namespace eo = earlyout;
using eo::errc;
using support::editable_copy;
using support::error_of;
using support::lacking;
using support::thrown;

namespace {

template <class Network = eo::gpt2<>>
support::caught reading(const eo::checkpoint& from) {
    return error_of([&] { (void)Network::from_checkpoint(from); });
}

using value = eo::memory_checkpoint::value;
using text = std::string;

support::caught with(const char* key, const value& v) { return reading(editable_copy("odd_untied").set(key, v)); }

const std::vector<std::string>& tensor_names() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all{"wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias", "lm_head.weight"};
        for (const char* block : {"h.0.", "h.2."}) {
            for (const char* part : {"ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"}) {
                all.push_back(text(block) + part + ".weight");
                all.push_back(text(block) + part + ".bias");
            }
        }
        return all;
    }();
    return names;
}

}  // namespace

TEST_CASE("GPT-2 names the tensor that is missing", "[models][gpt2][errors]") {
    const eo::memory_checkpoint all = editable_copy("odd_untied");
    REQUIRE(reading(all).code == "none");
    for (const std::string& name : tensor_names()) {
        CHECK(reading(lacking(all, name)) == thrown(errc::missing_tensor, {"odd_untied", "'" + name + "'", "missing"}));
    }
}

TEST_CASE("GPT-2 names the tensor that has another shape", "[models][gpt2][errors]") {
    for (const std::string& name : tensor_names()) {
        eo::memory_checkpoint made = editable_copy("odd_untied");
        std::vector<std::size_t> shape = made.find(name)->shape;
        const std::string expected = eo::shape_to_string(shape);
        shape.back() += 1;
        const std::string found = eo::shape_to_string(shape);
        std::size_t count = 1;
        for (const std::size_t extent : shape) count *= extent;
        made.add(name, shape, std::vector<float>(count));
        CHECK(reading(made) == thrown(errc::wrong_shape, {"odd_untied", "'" + name + "'", expected, found}));
    }
}

TEST_CASE("a transposed matrix is not a GPT-2 matrix", "[models][gpt2][errors]") {
    eo::memory_checkpoint made = editable_copy("odd_untied");
    made.add("h.1.mlp.c_fc.weight", {52, 20}, std::vector<float>(52 * 20));
    CHECK(reading(made) == thrown(errc::wrong_shape, {"'h.1.mlp.c_fc.weight'", "[20, 52]", "[52, 20]"}));
}

TEST_CASE("GPT-2 refuses weights that are not finite, and names them", "[models][gpt2][errors]") {
    for (const std::string& name : tensor_names()) {
        eo::memory_checkpoint made = editable_copy("odd_untied");
        const std::vector<std::size_t> shape = made.find(name)->shape;
        std::vector<float> values = support::values_of(made, name);
        values[7] = std::numeric_limits<float>::quiet_NaN();
        made.add(name, shape, values);
        CHECK(reading(made) == thrown(errc::wrong_value, {"'" + name + "'", "element 7", "finite", "nan"}));
        values[7] = -std::numeric_limits<float>::infinity();
        made.add(name, shape, values);
        CHECK(reading(made) == thrown(errc::wrong_value, {"'" + name + "'", "element 7", "-inf"}));
    }
}

TEST_CASE("GPT-2 refuses an unsupported configuration", "[models][gpt2][errors]") {
    CHECK(with("activation_function", text("tanh")) ==
          thrown(errc::unsupported, {"odd_untied", "'activation_function'", "gelu_new", "'tanh'"}));
    CHECK(with("model_type", text("bert")) == thrown(errc::unsupported, {"'model_type'", "gpt2", "'bert'"}));
    CHECK(with("add_cross_attention", true) == thrown(errc::unsupported, {"'add_cross_attention'"}));
    CHECK(with("add_cross_attention", false).code == "none");
    CHECK(with("layer_norm_epsilon", 0.0) == thrown(errc::wrong_value, {"'layer_norm_epsilon'", "found 0"}));
    CHECK(with("layer_norm_epsilon", -1e-5).code == "wrong_value");
    CHECK(with("layer_norm_epsilon", std::numeric_limits<double>::quiet_NaN()).code == "wrong_value");
}

TEST_CASE("GPT-2 refuses meaningless sizes", "[models][gpt2][errors]") {
    for (const char* key : {"n_layer", "n_embd", "n_head", "n_inner", "vocab_size", "n_positions"}) {
        INFO(key);
        const std::string quoted = std::string(1, '\'').append(key).append(1, '\'');
        CHECK(with(key, std::int64_t{0}) == thrown(errc::wrong_value, {quoted, "positive", "found 0"}));
        CHECK(with(key, std::int64_t{-1}) == thrown(errc::wrong_value, {quoted, "found -1"}));
        CHECK(with(key, text("4")) == thrown(errc::malformed_file, {quoted, "whole number"}));
        // Nothing of that size is allocated before a tensor confirms it.
        const support::caught huge = with(key, std::numeric_limits<std::int64_t>::max());
        CHECK(huge.code == "wrong_value");
        CHECK(huge.message.find("9223372036854775807") != std::string::npos);
    }
    CHECK(with("n_head", std::int64_t{3}) == thrown(errc::wrong_value, {"'n_embd'", "n_head = 3", "20"}));
    CHECK(with("n_head", std::int64_t{40}).code == "wrong_value");
}

TEST_CASE("GPT-2 refuses sizes that the tensors do not have", "[models][gpt2][errors]") {
    const auto refused = thrown(errc::wrong_shape, {"odd_untied: tensor '"});
    CHECK(with("n_embd", std::int64_t{250000}) == refused);
    CHECK(with("n_inner", std::int64_t{16000000}) == refused);
    CHECK(with("vocab_size", std::int64_t{16000000}) == refused);
    CHECK(with("n_positions", std::int64_t{60000000}) == refused);
    CHECK(with("n_layer", std::int64_t{4}) == thrown(errc::missing_tensor, {"'h.3."}));
    CHECK(with("n_layer", std::int64_t{2}).code == "none");  // the first layers of a deeper file
}

TEST_CASE("GPT-2 names the size that is missing", "[models][gpt2][errors]") {
    const eo::memory_checkpoint all = editable_copy("odd_untied");
    for (const char* key : {"n_layer", "n_embd", "n_head", "vocab_size"}) {
        CHECK(reading(lacking(all, key)) == thrown(errc::malformed_file, {"'" + text(key) + "'", "missing"}));
    }
    CHECK(reading(lacking(all, "n_positions")).code == "none");  // n_ctx is the fallback
    const lacking one(all, "n_ctx");
    CHECK(reading(lacking(one, "n_positions")) == thrown(errc::malformed_file, {"missing"}));
    CHECK(reading(lacking(all, "n_inner")) == thrown(errc::wrong_shape, {"c_fc.weight", "[20, 80]", "[20, 52]"}));
}

TEST_CASE("sizes fixed at compile time must match the file", "[models][gpt2][errors]") {
    const eo::memory_checkpoint from = editable_copy("odd_untied");
    const auto refused = [](const char* size, const char* compiled, const char* found) {
        return thrown(errc::wrong_shape, {"odd_untied", size, compiled, found});
    };
    using eo::f32;
    using eo::gpt2;
    using eo::model_shape;
    CHECK(reading<gpt2<f32, model_shape{.layers = 4}>>(from) == refused("layers", "compiled for 4", "found 3"));
    CHECK(reading<gpt2<f32, model_shape{.heads = 4}>>(from) == refused("heads", "compiled for 4", "found 5"));
    CHECK(reading<gpt2<f32, model_shape{.d_model = 24, .d_ff = 52}>>(from) ==
          refused("d_model", "compiled for 24", "found 20"));
    CHECK(reading<gpt2<f32, model_shape{.d_model = 20}>>(from) == refused("d_ff", "compiled for 80", "found 52"));
    CHECK(reading<gpt2<f32, model_shape{.head_dim = 5}>>(from) == refused("head_dim", "compiled for 5", "found 4"));
    CHECK(reading<gpt2<f32, model_shape{.vocab = 96}>>(from) == refused("vocabulary", "compiled for 96", "found 97"));
    CHECK(reading<gpt2<f32, model_shape{.context = 41}>>(from) == refused("context", "compiled for 41", "found 40"));
}
