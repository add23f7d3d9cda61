// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/models/gpt2.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/forward_pass.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"

namespace eo = earlyout;
using support::forward_pass;
using support::golden;
using support::largest_difference;
using support::tolerance;
using support::worst;

namespace {

float worst(const eo::checkpoint& from, const std::string& name) {
    return worst(eo::gpt2<>::from_checkpoint(from), golden(name), {100}, 16);
}

}  // namespace

TEST_CASE("GPT-2 computes what PyTorch computes, at every exit layer", "[models][gpt2]") {
    const std::string name = GENERATE(from_range(support::golden_models()));
    INFO(name);
    const golden expected(name);
    const auto network = eo::gpt2<>::from_checkpoint(eo::io::hugging_face_checkpoint(support::golden_folder(name)));
    REQUIRE(network.shape().layers == expected.layers);
    for (const std::size_t block : {1u, 2u, 5u, 16u, 64u}) {
        INFO("block " << block);
        CHECK(worst(network, expected, {100}, block) < tolerance);            // prefill
        CHECK(worst(network, expected, {1}, block) < tolerance);              // decoding
        CHECK(worst(network, expected, {6, 1, 1, 4, 1}, block) < tolerance);  // a prompt, tokens, more prompt, tokens
    }
    eo::thread_pool pool(3);
    CHECK(worst(network, expected, {7, 1}, 16, pool) < tolerance);
}

TEST_CASE("GPT-2 runs all layers in one call", "[models][gpt2]") {
    const std::string name = GENERATE(from_range(support::golden_models()));
    INFO(name);
    const golden expected(name);
    const auto network = eo::gpt2<>::from_checkpoint(eo::io::hugging_face_checkpoint(support::golden_folder(name)));
    for (std::size_t last = 1; last <= expected.layers; ++last) {
        forward_pass pass(network, expected.ids, 8);
        pass.run(1, last, 0, expected.ids.size());
        for (std::size_t p = 0; p < expected.ids.size(); ++p) {
            REQUIRE(largest_difference(pass.logits(p), expected.logits(last, p)) < tolerance);
        }
    }
}

TEST_CASE("the prefix 'transformer.' is optional", "[models][gpt2]") {
    CHECK(worst(support::editable_copy("odd_untied"), "odd_untied") < tolerance);
    CHECK(worst(support::editable_copy("wide_relu", "transformer."), "wide_relu") < tolerance);
    // Only the transformer's own tensors carry it; lm_head.weight never does.
    CHECK(worst(support::editable_copy("odd_untied", "h.", "transformer.h."), "odd_untied") < tolerance);
}

TEST_CASE("the output matrix is the token embedding unless the configuration says otherwise", "[models][gpt2]") {
    eo::memory_checkpoint from = support::editable_copy("wide_relu");
    const std::vector<float> tokens = support::values_of(from, "transformer.wte.weight");
    CHECK(eo::gpt2<>::from_checkpoint(from).tied());

    SECTION("an lm_head in a tied checkpoint is ignored") {
        from.add("lm_head.weight", {2}, {1, 2});
        CHECK(worst(from, "wide_relu") < tolerance);
        from.set("tie_word_embeddings", true);
        CHECK(worst(from, "wide_relu") < tolerance);
    }
    SECTION("the same matrix twice gives the same result") {
        from.set("tie_word_embeddings", false).add("lm_head.weight", {301, 72}, tokens);
        const auto network = eo::gpt2<>::from_checkpoint(from);
        CHECK_FALSE(network.tied());
        CHECK(network.embedding_bytes() == (301 + 40) * 72 * sizeof(float));
        CHECK(worst(network, golden("wide_relu"), {100}, 16) < tolerance);
    }
}

TEST_CASE("attention scores may be left unscaled or scaled by the layer as well", "[models][gpt2]") {
    // The same as scaling the queries; heads of 4 elements, so that 1 / sqrt(head_dim) is exact.
    const auto with_scaled_queries = [](const std::vector<float>& factors) {
        eo::memory_checkpoint from = support::editable_copy("odd_untied");
        for (std::size_t layer = 0; layer < factors.size(); ++layer) {
            const std::string name = "h." + std::to_string(layer) + ".attn.c_attn.";
            std::vector<float> weight = support::values_of(from, name + "weight");
            std::vector<float> bias = support::values_of(from, name + "bias");
            for (std::size_t i = 0; i < weight.size(); ++i) weight[i] *= i % 60 < 20 ? factors[layer] : 1.0f;
            for (std::size_t i = 0; i < 20; ++i) bias[i] *= factors[layer];
            from.add(name + "weight", {20, 60}, weight).add(name + "bias", {60}, bias);
        }
        return from;
    };
    CHECK(worst(with_scaled_queries({0.5f, 0.5f, 0.5f}).set("scale_attn_weights", false), "odd_untied") < tolerance);
    CHECK(worst(with_scaled_queries({1, 2, 3}).set("scale_attn_by_inverse_layer_idx", true), "odd_untied") < tolerance);
    CHECK(worst(support::editable_copy("odd_untied").set("scale_attn_weights", false), "odd_untied") > 0.01f);
}

TEST_CASE("GPT-2 finds its sizes under older and newer keys", "[models][gpt2]") {
    eo::memory_checkpoint made = support::editable_copy("tiny");
    const auto shape = eo::gpt2<>::from_checkpoint(made).shape();
    CHECK(shape == eo::model_shape{.layers = 1,
                                   .d_model = 8,
                                   .heads = 1,
                                   .kv_heads = 1,
                                   .head_dim = 8,
                                   .d_ff = 32,
                                   .vocab = 11,
                                   .context = 16});
    made.set("n_ctx", std::int64_t{7});  // n_positions takes precedence
    CHECK(eo::gpt2<>::from_checkpoint(made).shape().context == 16);

    const eo::io::hugging_face_checkpoint with_inner(support::golden_folder("odd_untied"));
    CHECK(eo::gpt2<>::from_checkpoint(with_inner).shape().d_ff == 52);
}

TEST_CASE("every spelling of an activation is known", "[models][gpt2]") {
    const auto with = [](const char* name, const char* activation) {
        return worst(support::editable_copy(name).set("activation_function", std::string(activation)), name);
    };
    CHECK(with("tiny", "gelu_new") < tolerance);
    CHECK(with("tiny", "gelu_pytorch_tanh") < tolerance);
    CHECK(with("tiny", "gelu_fast") < tolerance);
    CHECK(with("one_head_f16", "gelu") < tolerance);
    CHECK(with("wide_relu", "relu") < tolerance);
    CHECK(with("odd_head_dim", "silu") < tolerance);
    CHECK(with("odd_head_dim", "swish") < tolerance);
    CHECK(with("one_head_f16", "gelu_new") > 2 * tolerance);  // the two GELUs are distinguished
}

TEST_CASE("sizes fixed at compile time give the same values bit for bit", "[models][gpt2]") {
    const eo::io::hugging_face_checkpoint from(support::golden_folder("odd_untied"));
    const golden expected("odd_untied");
    const auto at_run_time = eo::gpt2<>::from_checkpoint(from);

    const auto check = [&](const auto& fixed) {
        REQUIRE(fixed.shape() == at_run_time.shape());
        forward_pass a(at_run_time, expected.ids, 6);
        forward_pass b(fixed, expected.ids, 6);
        for (std::size_t layer = 1; layer <= expected.layers; ++layer) {
            a.run(layer, layer, 0, expected.ids.size());
            b.run(layer, layer, 0, expected.ids.size());
            for (std::size_t p = 0; p < expected.ids.size(); ++p) {
                REQUIRE(support::same_bits(a.hidden(p), b.hidden(p)));
                REQUIRE(support::same_bits(a.logits(p), b.logits(p)));
            }
        }
    };
    constexpr eo::model_shape all{.layers = 3, .d_model = 20, .heads = 5, .d_ff = 52, .vocab = 97, .context = 40};
    check(eo::gpt2<eo::f32, all>::from_checkpoint(from));
    check(eo::gpt2<eo::f32, eo::model_shape{.d_model = 20, .d_ff = 52}>::from_checkpoint(from));
    check(eo::gpt2<eo::f32, eo::model_shape{.heads = 5, .vocab = 97}>::from_checkpoint(from));
    STATIC_REQUIRE(eo::gpt2<eo::f32, all>::static_shape.head_dim == 4);
    STATIC_REQUIRE(eo::gpt2<>::static_shape == eo::model_shape{});
}
