// SPDX-License-Identifier: MIT
#include <earlyout/exit/check_exits.hpp>

#include <vector>

#include "exit/weights_for_model.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::thrown;

TEST_CASE("exits whose tensors do not fit are refused", "[exit][check_exits]") {
    eo::exit_weights w = support::weights_for_model(4, 2, 5);
    SECTION("a gate of another width") {
        w.set("sec.weight", {3, 3}, std::vector<float>(9));
        CHECK(error_of([&] { eo::check_exits(w); }) ==
              thrown(errc::mismatch, {"exits.safetensors", "'sec...'", "d_model = 3", "found 2"}));
    }
    SECTION("a gate that is not a matrix") {
        w.set("sec.weight", {2}, {1, 2});
        CHECK(error_of([&] { eo::check_exits(w); }) == thrown(errc::wrong_shape, {"'sec.weight'", "[2]"}));
    }
    SECTION("a bias of another length") {
        w.set("learn-to-exit.1.weight", {1, 2}, {1, 2}).set("learn-to-exit.1.bias", {2}, {1, 2});
        CHECK(error_of([&] { eo::check_exits(w); }) ==
              thrown(errc::wrong_shape, {"'learn-to-exit.1.bias'", "[1]", "[2]"}));
    }
    SECTION("a bias alone") {
        w.set("learn-to-exit.1.bias", {2}, {1, 2});
        CHECK(error_of([&] { eo::check_exits(w); }) == thrown(errc::missing_tensor, {"learn-to-exit.LAYER.weight"}));
    }
    SECTION("a head of another vocabulary") {
        w.set("head.2.weight", {4, 2}, std::vector<float>(8));
        CHECK(error_of([&] { eo::check_exits(w); }) ==
              thrown(errc::wrong_shape, {"'head.2.weight'", "[5, 2]", "[4, 2]"}));
    }
    SECTION("a layer that the model does not have") {
        w.set("head.5.weight", {5, 2}, std::vector<float>(10));
        CHECK(error_of([&] { eo::check_exits(w); }) == thrown(errc::wrong_value, {"'head.5.weight'", "1 .. 4", "5"}));
    }
    SECTION("names without a meaning") {
        for (const char* name : {"sec.01.weight", "sec.x.weight", "sec.1.wait", "head.weight", "sec.-1.weight",
                                 "mlp-router.1.weight", "sec.99999999999999999999.weight", "sec.1x.bias"}) {
            eo::exit_weights named = support::weights_for_model(4, 2, 5);
            named.set(name, {5, 2}, std::vector<float>(10));
            CHECK(error_of([&] { eo::check_exits(named); }) == thrown(errc::malformed_file, {name}));
        }
    }
    SECTION("halves of an adapter that do not match each other, or the model") {
        w.set("adapter.2.down.weight", {1, 2}, {1, 2});
        CHECK(error_of([&] { eo::check_exits(w); }) == thrown(errc::missing_tensor, {"'adapter.2.up.weight'"}));
        w.set("adapter.2.up.weight", {1, 2}, {1, 2});
        CHECK(error_of([&] { eo::check_exits(w); }) ==
              thrown(errc::wrong_shape, {"'adapter.2.up.weight'", "[2, 1]", "[1, 2]"}));
        w.set("adapter.2.up.weight", {2, 1}, {1, 2});
        CHECK_NOTHROW(eo::check_exits(w));
        CHECK((w.has_adapter(2) && !w.has_adapter(1) && w.adapter(2).up.inputs == 1));
        w.set("adapter.2.down.weight", {3, 2}, std::vector<float>(6))
            .set("adapter.2.up.weight", {2, 3}, std::vector<float>(6));
        CHECK(error_of([&] { eo::check_exits(w); }) ==
              thrown(errc::wrong_shape, {"'adapter.2.down.weight'", "[3, 2]"}));
        eo::exit_weights named = support::weights_for_model(4, 2, 5);
        named.set("adapter.x.down.weight", {1, 2}, {1, 2});
        CHECK(error_of([&] { eo::check_exits(named); }) == thrown(errc::malformed_file, {"adapter.x"}));
    }
    SECTION("a gate of other outputs") {
        w.set("sec.2.weight", {1, 2}, {1, 2});
        CHECK(error_of([&] { eo::check_exits(w); }) ==
              thrown(errc::wrong_shape, {"'sec...'", "3 classes", "1 outputs"}));
    }
    SECTION("a router whose halves do not match each other") {
        w.set("mlp-router.3.up.weight", {4, 2}, std::vector<float>(8));
        CHECK(error_of([&] { eo::check_exits(w); }) == thrown(errc::missing_tensor, {"'mlp-router.3.down.weight'"}));
        w.set("mlp-router.3.down.weight", {1, 3}, std::vector<float>(3));
        CHECK(error_of([&] { eo::check_exits(w); }) == thrown(errc::wrong_shape, {"mlp-router", "[4, 2]", "[1, 3]"}));
        w.set("mlp-router.3.down.weight", {1, 4}, std::vector<float>(4));
        CHECK_NOTHROW(eo::check_exits(w));
    }
    SECTION("exit layers that the model does not have") {
        w.set_layers({2, 5});
        CHECK(error_of([&] { eo::check_exits(w); }) == thrown(errc::wrong_value, {"'exit_layers'", "1 .. 4", "5"}));
    }
    SECTION("any other name is kept") {
        w.set("router.3.down", {1, 2, 1}, {1, 2});
        CHECK_NOTHROW(eo::check_exits(w));
        CHECK(w.tensor("router.3.down").values[1] == 2.0f);
    }
}
