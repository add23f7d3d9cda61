// SPDX-License-Identifier: MIT
#include <earlyout/io/pretrained.hpp>

#include <earlyout/io/load.hpp>
#include <earlyout/models/gpt2.hpp>

#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;

TEST_CASE("a pretrained model holds what came with it, and takes other exits that fit", "[io][pretrained]") {
    auto model = eo::io::load<eo::gpt2<>>(EARLYOUT_EXAMPLE_MODEL);
    CHECK(model.source() == EARLYOUT_EXAMPLE_MODEL);
    CHECK(model.has_tokenizer());
    REQUIRE(model.has_exits());
    const eo::fitted_model fitted = model.exits().model();
    eo::exit_weights other("other");
    other.set_model(fitted).set_layers({3}).set("sec.weight", {3, fitted.d_model},
                                                std::vector<float>(3 * fitted.d_model, 0.5f));
    model.set_exits(std::move(other));
    CHECK(model.exits().source() == "other");
    CHECK(model.exits().layers().size() == 1);

    eo::exit_weights wrong("wrong");
    wrong.set_model({fitted.layers + 1, fitted.d_model, fitted.vocab, fitted.fingerprint, "f32"});
    CHECK(support::error_of([&] { model.set_exits(std::move(wrong)); }) ==
          support::thrown(eo::errc::mismatch, {"wrong", "number of layers"}));
    eo::exit_weights torn("torn");
    torn.set_model(fitted).set("sec.weight", {3, 2}, std::vector<float>(6));
    CHECK(support::error_of([&] { model.set_exits(std::move(torn)); }) ==
          support::thrown(eo::errc::mismatch, {"torn", "sec"}));
    CHECK(model.exits().source() == "other");
}

TEST_CASE("where a model's exits are stored", "[io][pretrained]") {
    CHECK(eo::io::sidecar_path("folder") == "folder/exits.safetensors");
    CHECK(eo::io::sidecar_path(EARLYOUT_TEST_DATA "/gguf/nothing.gguf").filename() == "exits.safetensors");
}
