// SPDX-License-Identifier: MIT
#include <earlyout/models/gemma.hpp>

#include <cstdint>
#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"

namespace eo = earlyout;
using eo::errc;
using support::editable_copy;
using support::golden;
using support::read_error;
using support::thrown;
using support::tolerance;
using support::worst;

TEST_CASE("Gemma computes what PyTorch computes", "[models][gemma]") {
    for (const std::string name : {"gemma"}) {
        INFO(name);
        const auto model = eo::gemma<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("Gemma's activation is that of hidden_activation, not of hidden_act", "[models][gemma]") {
    auto from = editable_copy("gemma");
    from.set("hidden_activation", std::string("gelu"));
    CHECK(worst(eo::gemma<>::from_checkpoint(from), golden("gemma"), {100}, 8) > tolerance);
    from.set("hidden_activation", nullptr).set("hidden_act", std::string("silu"));
    CHECK(read_error<eo::gemma<>>(from) == thrown(errc::unsupported, {"'hidden_act'", "gelu_pytorch_tanh", "'silu'"}));
}

TEST_CASE("absent keys of a Gemma configuration have Hugging Face's defaults", "[models][gemma]") {
    auto from = editable_copy("gemma");
    from.set("head_dim", nullptr);
    CHECK(eo::gemma_architecture::shape({from, "model."}).head_dim == 8);
    eo::memory_checkpoint few;
    for (const char* key : {"num_hidden_layers", "vocab_size", "max_position_embeddings", "intermediate_size"}) {
        few.set(key, std::int64_t{2});
    }
    few.set("num_attention_heads", std::int64_t{16}).set("hidden_size", std::int64_t{64});
    const eo::model_shape s = eo::gemma_architecture::shape({few, "model."});
    CHECK(s.kv_heads == 16);
    CHECK(s.head_dim == 256);
    CHECK(s.gated);
}

TEST_CASE("Gemma refuses what belongs to its successors", "[models][gemma][errors]") {
    const auto with = [](const char* key, const eo::memory_checkpoint::value& v) {
        return read_error<eo::gemma<>>(editable_copy("gemma").set(key, v));
    };
    CHECK(with("final_logit_softcapping", 30.0) == thrown(errc::unsupported, {"'final_logit_softcapping'", "30"}));
    CHECK(with("use_bidirectional_attention", true) == thrown(errc::unsupported, {"'use_bidirectional_attention'"}));
}
