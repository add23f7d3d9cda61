// SPDX-License-Identifier: MIT
#include <earlyout/exit/exit_weights.hpp>

#include <limits>
#include <utility>

#include "exit/weights_for_model.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::thrown;

TEST_CASE("exit weights return maps, and name what is missing", "[exit][exit_weights]") {
    eo::exit_weights w = support::weights_for_model(4, 2, 5);
    CHECK(error_of([&] { (void)w.linear("sec"); }) ==
          thrown(errc::missing_tensor, {"exits.safetensors", "'sec.weight'", "missing"}));
    w.set("sec.weight", {3, 2}, {1, 2, 3, 4, 5, 6}).set("sec.bias", {3}, {7, 8, 9});
    CHECK(w.linear("sec").outputs == 3);
    CHECK(w.linear("sec").inputs == 2);
    CHECK(w.linear("sec").weight[5] == 6.0f);
    CHECK(w.linear("sec").bias[2] == 9.0f);
    CHECK(w.find("sec.2.weight") == nullptr);
}

TEST_CASE("views of exit weights survive a move", "[exit][exit_weights]") {
    eo::exit_weights w = support::weights_for_model(4, 2, 5);
    w.set("sec.weight", {3, 2}, {1, 2, 3, 4, 5, 6});
    const eo::linear_weights before = w.linear("sec");
    const eo::exit_weights moved = std::move(w);
    CHECK(moved.linear("sec").weight.data() == before.weight.data());
    CHECK(before.weight[1] == 2.0f);
}

TEST_CASE("exit weights keep the policies that were fitted", "[exit][exit_weights]") {
    eo::exit_weights w = support::weights_for_model(8, 2, 5);
    CHECK_FALSE(w.policy());
    w.set_policy("sec", "sec(0.7) @ 3").set_policy({}, "margin(0.2) @ 2");
    CHECK(w.policy("sec") == "sec(0.7) @ 3");
    CHECK(w.policy() == "margin(0.2) @ 2");
    CHECK_FALSE(w.policy("jei-dnn"));
    eo::exit_weights tensors;
    tensors.set("sec.weight", {1}, {1.0f}).set("secret.1.weight", {1}, {1.0f});
    CHECK(tensors.has_tensors_of("sec"));
    CHECK(tensors.has_tensors_of("secret"));
    CHECK(tensors.has_tensors_of("secret.1"));
    for (const char* none : {"se", "secre", "margin", "sec.weight", ""}) CHECK_FALSE(tensors.has_tensors_of(none));
    CHECK(w.metadata().at("policy.sec") == "sec(0.7) @ 3");
}

TEST_CASE("exit layers increase from 1", "[exit][exit_weights]") {
    eo::exit_weights w = support::weights_for_model(4, 2, 5);
    CHECK(error_of([&] { w.set_layers({0, 2}); }) == thrown(errc::wrong_value, {"exit layers", "[0, 2]"}));
    CHECK(error_of([&] { w.set_layers({2, 2}); }) == thrown(errc::wrong_value, {"[2, 2]"}));
    CHECK(error_of([&] { w.set_layers({3, 2}); }) == thrown(errc::wrong_value, {"[3, 2]"}));
    w.set_layers({2, 5});
    CHECK(w.layers().size() == 2);
}

TEST_CASE("exit weights refuse tensors that do not match their shape", "[exit][exit_weights]") {
    eo::exit_weights w = support::weights_for_model(4, 2, 5);
    CHECK(error_of([&] {
              w.set("sec.weight", {3, 2}, {1, 2});
          }) == thrown(errc::wrong_shape, {"'sec.weight'", "[3, 2]", "2 values"}));
    CHECK(error_of([&] { w.set("x", {1}, {std::numeric_limits<float>::infinity()}); }) ==
          thrown(errc::wrong_value, {"'x'", "finite", "inf"}));
    w.set("sec.weight", {2}, {1, 2});
    CHECK(error_of([&] { (void)w.linear("sec"); }) == thrown(errc::wrong_shape, {"'sec.weight'", "[2]"}));
    w.set("sec.1.weight", {1, 2}, {1, 2}).set("sec.1.bias", {2}, {1, 2});
    CHECK(error_of([&] { (void)w.linear("sec.1"); }) == thrown(errc::wrong_shape, {"'sec.1.bias'", "[1]", "[2]"}));
}
