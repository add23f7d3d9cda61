// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_weights.hpp>

#include <limits>
#include <utility>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::thrown;

namespace {

eo::exit_weights for_model(std::size_t layers, std::size_t d_model, std::size_t vocab) {
    eo::exit_weights weights("exits.safetensors");
    weights.set_model({layers, d_model, vocab, "0123456789abcdef", "f32"});
    return weights;
}

}  // namespace

TEST_CASE("a shared gate serves every layer, a layer's own gate goes first", "[exit][exit_weights]") {
    eo::exit_weights w = for_model(4, 2, 5);
    CHECK_FALSE(w.has_gate());
    CHECK_FALSE(w.has_gate(3));
    CHECK(error_of([&] { (void)w.gate(); }) ==
          thrown(errc::missing_tensor, {"exits.safetensors", "'gate.weight'", "missing"}));
    CHECK(error_of([&] { (void)w.gate(3); }) == thrown(errc::missing_tensor, {"'gate.3.weight'"}));

    w.set("gate.weight", {3, 2}, {1, 2, 3, 4, 5, 6}).set("gate.bias", {3}, {7, 8, 9});
    w.set("gate.2.weight", {1, 2}, {10, 11});
    CHECK(w.gate().outputs == 3);
    CHECK(w.gate().inputs == 2);
    CHECK(w.gate().weight[5] == 6.0f);
    CHECK(w.gate().bias[2] == 9.0f);
    CHECK(w.has_gate(3));
    CHECK(w.gate(3).outputs == 3);
    CHECK(w.gate(2).outputs == 1);
    CHECK(w.gate(2).weight[1] == 11.0f);
    CHECK(w.gate(2).bias.empty());
    CHECK_NOTHROW(w.check());
}

TEST_CASE("views of exit weights survive a move", "[exit][exit_weights]") {
    eo::exit_weights w = for_model(4, 2, 5);
    w.set("gate.weight", {1, 2}, {1, 2}).set("thresholds.exit", {1}, {0.5f});
    const eo::linear_weights before = w.gate();
    const eo::exit_weights moved = std::move(w);
    CHECK(moved.gate().weight.data() == before.weight.data());
    CHECK(before.weight[1] == 2.0f);
}

TEST_CASE("thresholds are one for all layers or one for each", "[exit][exit_weights]") {
    eo::exit_weights w = for_model(8, 2, 5);
    w.set_layers({3, 5}).set("thresholds.exit", {1}, {0.9f}).set("thresholds.margin", {2}, {0.3f, 0.4f});
    w.set("thresholds.scalar", {}, {0.7f});
    CHECK(w.threshold("exit") == 0.9f);
    CHECK(w.threshold("exit", 5) == 0.9f);
    CHECK(w.threshold("scalar") == 0.7f);
    CHECK(w.threshold("margin", 3) == 0.3f);
    CHECK(w.threshold("margin", 5) == 0.4f);
    CHECK(w.has_threshold("margin"));
    CHECK_FALSE(w.has_threshold("stop"));
    CHECK(error_of([&] { (void)w.threshold("margin"); }) == thrown(errc::wrong_shape, {"'thresholds.margin'", "2"}));
    CHECK(error_of([&] { (void)w.threshold("margin", 4); }) == thrown(errc::out_of_range, {"[3, 5]", "4"}));
    CHECK(error_of([&] { (void)w.threshold("stop"); }) == thrown(errc::missing_tensor, {"'thresholds.stop'"}));
    CHECK_NOTHROW(w.check());
    w.set("thresholds.margin", {3}, {0.3f, 0.4f, 0.5f});
    CHECK(error_of([&] { w.check(); }) == thrown(errc::wrong_shape, {"'thresholds.margin'", "2 exit layers", "3"}));
}

TEST_CASE("exit layers increase from 1", "[exit][exit_weights]") {
    eo::exit_weights w = for_model(4, 2, 5);
    CHECK(error_of([&] { w.set_layers({0, 2}); }) == thrown(errc::wrong_value, {"exit layers", "[0, 2]"}));
    CHECK(error_of([&] { w.set_layers({2, 2}); }) == thrown(errc::wrong_value, {"[2, 2]"}));
    CHECK(error_of([&] { w.set_layers({3, 2}); }) == thrown(errc::wrong_value, {"[3, 2]"}));
    w.set_layers({2, 5});
    CHECK(w.layers().size() == 2);
    CHECK(error_of([&] { w.check(); }) == thrown(errc::wrong_value, {"'exit_layers'", "1 .. 4", "5"}));
}

TEST_CASE("exit weights refuse tensors that do not fit", "[exit][exit_weights]") {
    eo::exit_weights w = for_model(4, 2, 5);
    CHECK(error_of([&] {
              w.set("gate.weight", {3, 2}, {1, 2});
          }) == thrown(errc::wrong_shape, {"'gate.weight'", "[3, 2]", "2 values"}));
    CHECK(error_of([&] { w.set("x", {1}, {std::numeric_limits<float>::infinity()}); }) ==
          thrown(errc::wrong_value, {"'x'", "finite", "inf"}));

    SECTION("a gate of another width") {
        w.set("gate.weight", {1, 3}, {1, 2, 3});
        CHECK(error_of([&] { w.check(); }) == thrown(errc::wrong_shape, {"'gate.weight'", "[outputs, 2]", "[1, 3]"}));
    }
    SECTION("a gate that is no matrix") {
        w.set("gate.weight", {2}, {1, 2});
        CHECK(error_of([&] { w.check(); }) == thrown(errc::wrong_shape, {"'gate.weight'", "[2]"}));
    }
    SECTION("a bias of another length") {
        w.set("gate.1.weight", {1, 2}, {1, 2}).set("gate.1.bias", {2}, {1, 2});
        CHECK(error_of([&] { w.check(); }) == thrown(errc::wrong_shape, {"'gate.1.bias'", "[1]", "[2]"}));
    }
    SECTION("a bias alone") {
        w.set("gate.1.bias", {2}, {1, 2});
        CHECK(error_of([&] { w.check(); }) == thrown(errc::missing_tensor, {"'gate.1.weight'"}));
    }
    SECTION("a head of another vocabulary") {
        w.set("head.2.weight", {4, 2}, std::vector<float>(8));
        CHECK(error_of([&] { w.check(); }) == thrown(errc::wrong_shape, {"'head.2.weight'", "[5, 2]", "[4, 2]"}));
    }
    SECTION("a layer that the model does not have") {
        w.set("head.5.weight", {5, 2}, std::vector<float>(10));
        CHECK(error_of([&] { w.check(); }) == thrown(errc::wrong_value, {"'head.5.weight'", "1 .. 4", "5"}));
    }
    SECTION("names that mean nothing") {
        for (const char* name : {"gate.01.weight", "gate.x.weight", "gate.1.wait", "head.weight", "gate.-1.weight",
                                 "gate.99999999999999999999.weight", "gate.1x.bias"}) {
            eo::exit_weights named = for_model(4, 2, 5);
            named.set(name, {5, 2}, std::vector<float>(10));
            CHECK(error_of([&] { named.check(); }) == thrown(errc::malformed_file, {name}));
        }
    }
    SECTION("halves of an adapter that do not fit each other, or the model") {
        w.set("adapter.2.down.weight", {1, 2}, {1, 2});
        CHECK(error_of([&] { w.check(); }) == thrown(errc::missing_tensor, {"'adapter.2.up.weight'"}));
        w.set("adapter.2.up.weight", {1, 2}, {1, 2});
        CHECK(error_of([&] { w.check(); }) == thrown(errc::wrong_shape, {"'adapter.2.up.weight'", "[2, 1]", "[1, 2]"}));
        w.set("adapter.2.up.weight", {2, 1}, {1, 2});
        CHECK_NOTHROW(w.check());
        CHECK((w.has_adapter(2) && !w.has_adapter(1) && w.adapter(2).up.inputs == 1));
        w.set("adapter.2.down.weight", {3, 2}, std::vector<float>(6))
            .set("adapter.2.up.weight", {2, 3}, std::vector<float>(6));
        CHECK(error_of([&] { w.check(); }) == thrown(errc::wrong_shape, {"'adapter.2.down.weight'", "[3, 2]"}));
        eo::exit_weights named = for_model(4, 2, 5);
        named.set("adapter.x.down.weight", {1, 2}, {1, 2});
        CHECK(error_of([&] { named.check(); }) == thrown(errc::malformed_file, {"adapter.x"}));
    }
    SECTION("any other name is kept") {
        w.set("router.3.down", {1, 2, 1}, {1, 2});
        CHECK_NOTHROW(w.check());
        CHECK(w.tensor("router.3.down").values[1] == 2.0f);
    }
}
