// SPDX-License-Identifier: MIT
#include <earlyout/models/gpt_bigcode.hpp>

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

TEST_CASE("GPT-BigCode computes what PyTorch computes", "[models][gpt_bigcode]") {
    for (const std::string name : {"gpt_bigcode", "gpt_bigcode_heads"}) {
        INFO(name);
        const auto model = eo::gpt_bigcode<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("GPT-BigCode with sizes fixed at compile time gives the same bits", "[models][gpt_bigcode]") {
    const auto from = editable_copy("gpt_bigcode");
    constexpr eo::model_shape sizes{.d_model = 24, .heads = 4, .d_ff = 36};
    const golden expected("gpt_bigcode");
    const auto fixed = eo::gpt_bigcode<eo::f32, sizes>::from_checkpoint(from);
    CHECK(fixed.shape().kv_heads == 1);
    CHECK(worst(fixed, expected, {100}, 8) == worst(eo::gpt_bigcode<>::from_checkpoint(from), expected, {100}, 8));
}

TEST_CASE("GPT-BigCode refuses unsupported settings by name", "[models][gpt_bigcode][errors]") {
    const auto with = [](const char* key, const eo::memory_checkpoint::value& v) {
        return read_error<eo::gpt_bigcode<>>(editable_copy("gpt_bigcode").set(key, v));
    };
    CHECK(with("add_cross_attention", true) == thrown(errc::unsupported, {"'add_cross_attention'"}));
    CHECK(with("multi_query", false) == thrown(errc::wrong_shape, {"c_attn.weight", "[72, 24]"}));
    CHECK(with("n_head", std::int64_t{7}) == thrown(errc::wrong_value, {"'n_embd'", "7"}));
    CHECK(with("n_inner", std::int64_t{7}) == thrown(errc::wrong_shape, {"c_fc.weight"}));
    CHECK(with("scale_attn_weights", false).code == "none");
}
