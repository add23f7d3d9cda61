// SPDX-License-Identifier: MIT
#include <earlyout/models/llama.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"
#include "support/lacking.hpp"

namespace eo = earlyout;
using eo::errc;
using support::editable_copy;
using support::error_of;
using support::golden;
using support::read_error;
using support::thrown;
using support::tolerance;
using support::worst;

TEST_CASE("Llama with sizes fixed at compile time gives the same bits", "[models][llama]") {
    const auto from = editable_copy("llama_gqa");
    constexpr eo::model_shape all{
        .layers = 3, .d_model = 24, .heads = 4, .kv_heads = 2, .head_dim = 10, .d_ff = 34, .vocab = 57, .context = 64};
    const auto fixed = eo::llama<eo::f32, all>::from_checkpoint(from);
    const auto at_run_time = eo::llama<>::from_checkpoint(from);
    CHECK(fixed.shape() == at_run_time.shape());
    const golden expected("llama_gqa");
    CHECK(worst(fixed, expected, {1000}, 8) < tolerance);
    CHECK(worst(fixed, expected, {1000}, 8) == worst(at_run_time, expected, {1000}, 8));
    STATIC_REQUIRE(eo::llama<>::static_shape == eo::model_shape{});
    CHECK(error_of([&] { (void)eo::llama<eo::f32, eo::model_shape{.kv_heads = 4}>::from_checkpoint(from); }) ==
          thrown(errc::wrong_shape, {"key-value heads", "compiled for 4", "found 2"}));
}

TEST_CASE("Llama's prefix 'model.' may be missing", "[models][llama]") {
    CHECK(worst(eo::llama<>::from_checkpoint(editable_copy("llama_gqa", "model.", "")), golden("llama_gqa"), {1000},
                8) < tolerance);
}

TEST_CASE("attention biases that are not stored are zeros, but not all four", "[models][llama]") {
    const auto all = editable_copy("llama_biases");
    const auto logits_without = [&](std::initializer_list<std::string_view> left_out, bool zero) {
        eo::memory_checkpoint made = editable_copy("llama_biases");
        std::vector<std::string> names;
        for (const char* layer : {"0", "1"}) {
            for (const std::string_view matrix : left_out) {
                names.push_back(std::string("model.layers.").append(layer).append(".self_attn.").append(matrix) +
                                ".bias");
            }
        }
        if (zero) {
            for (const std::string& name : names) {
                const auto shape = all.find(name)->shape;
                made.add(name, shape, std::vector<float>(shape[0]));
            }
            names.clear();
        }
        const support::lacking some(made, names);
        const auto network = eo::llama<>::from_checkpoint(some);
        const std::vector<eo::token_id> text{1, 5, 9, 3};
        support::forward_pass pass(network, text, text.size());
        pass.run(1, network.shape().layers, 0, text.size());
        return pass.logits(text.size() - 1);
    };
    CHECK(logits_without({"o_proj"}, false) == logits_without({"o_proj"}, true));
    CHECK(logits_without({"k_proj", "o_proj"}, false) == logits_without({"k_proj", "o_proj"}, true));
    CHECK(logits_without({"o_proj"}, false) != logits_without({}, false));
    CHECK(support::error_of([&] {
              (void)logits_without({"q_proj", "k_proj", "v_proj", "o_proj"}, false);
          }) == thrown(errc::missing_tensor, {"q_proj.bias"}));
}

TEST_CASE("a matrix that is input and output may be stored as either", "[models][llama]") {
    const auto stored = editable_copy("llama_gqa", "model.embed_tokens", "lm_head");
    REQUIRE(stored.find("model.embed_tokens.weight") == nullptr);
    CHECK(worst(eo::llama<>::from_checkpoint(stored), golden("llama_gqa"), {1000}, 8) < tolerance);
}

TEST_CASE("Llama refuses unsupported settings by name", "[models][llama][errors]") {
    const auto with = [](const char* key, const eo::memory_checkpoint::value& v) {
        return read_error<eo::llama<>>(editable_copy("llama3_scaled").set(key, v));
    };
    CHECK(read_error<eo::llama<>>(editable_copy("llama3_scaled")).code == "none");
    CHECK(with("rope_scaling.rope_type", std::string("longrope")) ==
          thrown(errc::unsupported,
                 {"'rope_scaling.rope_type'", "default, linear, dynamic, llama3, yarn", "'longrope'"}));
    CHECK(with("rope_scaling.factor", 0.0) == thrown(errc::wrong_value, {"'rope_scaling.factor'", "found 0"}));
    CHECK(with("rope_scaling.high_freq_factor", 0.5) ==
          thrown(errc::wrong_value, {"'rope_scaling.high_freq_factor'", "more than 1", "0.5"}));
    CHECK(with("rope_theta", -1.0) == thrown(errc::wrong_value, {"'rope_theta'", "-1"}));
    CHECK(with("partial_rotary_factor", 0.5) == thrown(errc::unsupported, {"'partial_rotary_factor'"}));
    CHECK(with("quantization_config.quant_method", std::string("gptq")) ==
          thrown(errc::unsupported, {"'quantization_config'", "'gptq'"}));
    CHECK(with("hidden_act", std::string("tanh")) == thrown(errc::unsupported, {"'hidden_act'", "'tanh'"}));
    CHECK(with("model_type", std::string("mixtral")) ==
          thrown(errc::unsupported, {"'model_type'", "llama", "'mixtral'"}));
    CHECK(with("num_key_value_heads", std::int64_t{3}) == thrown(errc::wrong_value, {"key-value heads", "found 3"}));
    CHECK(with("head_dim", std::int64_t{15}) == thrown(errc::unsupported, {"head_dim", "even", "15"}));
    CHECK(with("head_dim", std::int64_t{2048}) == thrown(errc::unsupported, {"head_dim", "1024", "2048"}));
    CHECK(with("rms_norm_eps", 0.0) == thrown(errc::wrong_value, {"'rms_norm_eps'"}));
    for (const char* key : {"num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size",
                            "vocab_size", "max_position_embeddings"}) {
        CHECK(with(key, std::int64_t{0}) == thrown(errc::wrong_value, {key, "positive", "found 0"}));
    }
}

TEST_CASE("Llama refuses sizes that the tensors do not have before it allocates", "[models][llama][errors]") {
    for (const char* key : {"intermediate_size", "vocab_size", "hidden_size", "num_attention_heads"}) {
        INFO(key);
        CHECK(read_error<eo::llama<>>(editable_copy("llama3_scaled").set(key, std::int64_t{65536})) ==
              thrown(errc::wrong_shape, {"tensor '", "expected shape"}));
    }
    CHECK(read_error<eo::llama<>>(editable_copy("llama3_scaled").set("num_hidden_layers", std::int64_t{3})) ==
          thrown(errc::missing_tensor, {"layers.2."}));
}
