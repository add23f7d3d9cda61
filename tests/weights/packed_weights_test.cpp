// SPDX-License-Identifier: MIT
#include <earlyout/weights/packed_weights.hpp>

#include <cstddef>
#include <memory>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::thrown;

TEST_CASE("packed weights of another format, size or alignment are refused", "[weights][packed]") {
    alignas(64) static std::byte memory[128];
    const auto at = [](std::size_t byte) {
        return std::shared_ptr<const std::byte>(std::shared_ptr<void>(), memory + byte);
    };
    const eo::packed_weights found{"f32", 2, 4, at(0), 64};
    CHECK(error_of([&] { eo::check_packed(found, "f32", 2, 4, 64); }).code == "none");
    CHECK(error_of([&] { eo::check_packed(found, "bf16", 2, 4, 64); }) == thrown(errc::mismatch, {"bf16", "f32"}));
    CHECK(error_of([&] { eo::check_packed(found, "f32", 3, 4, 64); }) ==
          thrown(errc::wrong_shape, {"[3, 4]", "[2, 4]"}));
    CHECK(error_of([&] { eo::check_packed(found, "f32", 2, 4, 32); }) == thrown(errc::wrong_shape, {"32 bytes"}));
    CHECK(error_of([&] {
              eo::check_packed({"f32", 2, 4, at(32), 64}, "f32", 2, 4, 64);
          }) == thrown(errc::malformed_file, {"64 bytes"}));
    CHECK(error_of([] { eo::check_finite(true); }).code == "none");
    CHECK(error_of([] { eo::check_finite(false); }) == thrown(errc::wrong_value, {"finite"}));
}
