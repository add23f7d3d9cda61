// SPDX-License-Identifier: MIT
#include <earlyout/models/mixtral.hpp>

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

TEST_CASE("Mixtral has as many experts as the configuration says", "[models][mixtral]") {
    const golden expected("mixtral");
    const auto model = eo::mixtral<>::from_checkpoint(editable_copy("mixtral"));
    CHECK(model.shape().experts == 6);
    CHECK(model.shape().active_experts == 2);
    CHECK(worst(model, expected, {1000}, 8) < tolerance);
    const auto three =
        eo::mixtral<>::from_checkpoint(editable_copy("mixtral").set("num_experts_per_tok", std::int64_t{3}));
    CHECK(worst(three, expected, {1000}, 8) > 0.01f);
    CHECK(eo::mixtral<eo::f32, eo::model_shape{.d_model = 24}>::from_checkpoint(editable_copy("mixtral"))
              .shape()
              .active_experts == 2);
}

TEST_CASE("a layer of Mixtral counts what a token reads of it", "[models][mixtral]") {
    const auto model = eo::mixtral<>::from_checkpoint(editable_copy("mixtral"));
    const auto all =
        eo::mixtral<>::from_checkpoint(editable_copy("mixtral").set("num_experts_per_tok", std::int64_t{6}));
    // Gate and up each begin a panel of 32 rows.
    const std::size_t expert = 4 * (64 * 24 + 52 + 32 * 20 + 24);
    CHECK(all.layer_bytes(1) - model.layer_bytes(1) == 4 * expert);
    CHECK(model.stored_bytes(1) == all.layer_bytes(1));
    CHECK(all.stored_bytes(1) == all.layer_bytes(1));
}

TEST_CASE("numbers of experts that the tensors contradict are refused", "[models][mixtral][errors]") {
    const auto with = [](const char* key, std::int64_t value) {
        return read_error<eo::mixtral<>>(editable_copy("mixtral").set(key, value));
    };
    CHECK(with("num_local_experts", 7) == thrown(errc::wrong_shape, {"block_sparse_moe.gate.weight", "[7, 24]"}));
    CHECK(with("num_local_experts", 5) == thrown(errc::wrong_shape, {"block_sparse_moe.gate.weight", "[5, 24]"}));
    CHECK(with("num_local_experts", 0) == thrown(errc::wrong_value, {"'num_local_experts'", "0"}));
    CHECK(with("num_local_experts", 1'000'000'000) == thrown(errc::wrong_value, {"number of experts", "1000000000"}));
    CHECK(with("num_experts_per_tok", 7) == thrown(errc::wrong_value, {"number of active experts", "1 .. 6", "7"}));
    CHECK(with("intermediate_size", 21) == thrown(errc::wrong_shape, {"experts.0.w1.weight", "[21, 24]"}));
    CHECK(read_error<eo::mixtral<>>(editable_copy("mixtral").set("mlp_bias", true)) ==
          thrown(errc::unsupported, {"'mlp_bias'"}));
}

TEST_CASE("absent keys of Mixtral have Hugging Face's defaults", "[models][mixtral]") {
    eo::memory_checkpoint from = editable_copy("mixtral_window");
    const eo::detail::checkpoint_reader reader(from, "model.");
    CHECK(eo::mixtral_architecture::window(reader, 1) == 6);
    from.set("sliding_window", nullptr);
    CHECK(eo::mixtral_architecture::window(reader, 1) == 0);
    CHECK(worst(eo::mixtral<>::from_checkpoint(from), golden("mixtral_window"), {1000}, 8) > 0.01f);
}
