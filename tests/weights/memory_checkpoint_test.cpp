// SPDX-License-Identifier: MIT
#include <earlyout/weights/memory_checkpoint.hpp>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using support::error_of;
using support::thrown;

TEST_CASE("a checkpoint in memory returns what was stored", "[weights][memory_checkpoint]") {
    eo::memory_checkpoint c("by hand");
    c.set("n", std::int64_t{3}).set("x", 0.5).set("on", true).set("kind", std::string("gpt2"));
    c.add("w", {2, 2}, {1, 2, 3, 4}).add("w", {3}, {5, 6, 7});
    CHECK(c.source() == "by hand");
    CHECK(c.integer("n") == 3);
    CHECK(c.real("n") == 3.0);
    CHECK(c.real("x") == 0.5);
    CHECK(c.boolean("on") == true);
    CHECK(c.text("kind") == "gpt2");
    CHECK_FALSE(c.integer("absent"));

    const eo::tensor_view* const w = c.find("w");
    REQUIRE(w != nullptr);
    CHECK(w->shape == std::vector<std::size_t>{3});
    CHECK(w->type == eo::dtype::f32);
    float last = 0;
    std::memcpy(&last, w->bytes.data() + 8, sizeof last);
    CHECK(last == 7.0f);
    CHECK(c.find("v") == nullptr);
}

TEST_CASE("a value of another kind, or a shape of another size, is refused", "[weights][memory_checkpoint]") {
    eo::memory_checkpoint c("by hand");
    c.set("n", std::int64_t{3}).set("x", 0.5);
    CHECK(error_of([&] { (void)c.integer("x"); }) ==
          thrown(eo::errc::malformed_file, {"by hand", "'x'", "whole number"}));
    CHECK(error_of([&] { (void)c.text("n"); }) == thrown(eo::errc::malformed_file, {"'n'", "string"}));
    CHECK(error_of([&] { (void)c.boolean("n"); }).code == "malformed_file");
    CHECK(error_of([&] {
              c.add("w", {2, 3}, {1, 2});
          }) == thrown(eo::errc::wrong_shape, {"by hand", "'w'", "[2, 3]", "2 values"}));
}

TEST_CASE("a refused tensor leaves the checkpoint unchanged", "[weights][memory_checkpoint]") {
    eo::memory_checkpoint c;
    c.add("w", {2}, {1, 2});
    CHECK(error_of([&] { c.add("w", {2, 3}, {7, 8}); }).code == "wrong_shape");
    CHECK(error_of([&] { c.add("new", {1}, {}); }).code == "wrong_shape");
    CHECK(eo::read_tensor(c, "w", {2}) == std::vector<float>{1, 2});
    CHECK(c.find("new") == nullptr);
}

TEST_CASE("a moved checkpoint keeps its tensors", "[weights][memory_checkpoint]") {
    eo::memory_checkpoint from("by hand");
    from.set("n", std::int64_t{3}).add("w", {2}, {1, 2});
    const eo::tensor_view* const w = from.find("w");
    const eo::memory_checkpoint to = std::move(from);
    CHECK(to.find("w") == w);
    CHECK(eo::read_tensor(to, "w", {2}) == std::vector<float>{1, 2});
    CHECK(to.integer("n") == 3);
}
