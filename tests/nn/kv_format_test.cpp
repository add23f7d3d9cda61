// SPDX-License-Identifier: MIT
#include <earlyout/nn/kv_format.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;

TEST_CASE("keys and values are stored in f32 unless another format is named", "[nn][kv_format]") {
    const eo::kv_format format;
    CHECK(std::string(format.name()) == "f32");
    CHECK(format.entry_bytes(20) == (20 + 32) * 4);  // values are padded to 16
    CHECK(format == eo::f32{});
}

TEMPLATE_TEST_CASE("a format named at compile time and at run time is the same", "[nn][kv_format]", eo::f32, eo::f16,
                   eo::bf16, eo::int8) {
    const eo::kv_format format = TestType{};
    CHECK(std::string(format.name()) == TestType::name);
    CHECK(format.entry_bytes(32) == eo::kernels::kv_layout<TestType>::entry_bytes(32));
    CHECK(format == eo::any_kv_format(TestType::name));
    CHECK((format == eo::f16{}) == (std::string(TestType::name) == "f16"));
}

TEST_CASE("a query reads the bytes of a format, its scales and padding included", "[nn][kv_format]") {
    CHECK(eo::kv_format(eo::f16{}).entry_bytes(20) == (20 + 32) * 2);
    CHECK(eo::kv_format(eo::bf16{}).entry_bytes(64) == 128 * 2);
    CHECK(eo::kv_format(eo::int8{}).entry_bytes(64) == 128 + 2 * 4);
    CHECK(eo::kv_format(eo::int8{}).entry_bytes(21) == 22 + 32 + 2 * 4);
}

TEST_CASE("formats may be chosen by type", "[nn][kv_format]") {
    CHECK(eo::any_kv_format(eo::dtype::f32) == eo::f32{});
    CHECK(eo::any_kv_format(eo::dtype::f16) == eo::f16{});
    CHECK(eo::any_kv_format(eo::dtype::bf16) == eo::bf16{});
}

TEST_CASE("a format in which keys and values cannot be stored is refused", "[nn][kv_format]") {
    const auto refused = [](const char* found) {
        return support::thrown(eo::errc::unsupported,
                               {"keys and values", "expected one of f32, bf16, f16, int8", found});
    };
    CHECK(support::error_of([] { (void)eo::any_kv_format("int4"); }) == refused("'int4'"));
    CHECK(support::error_of([] { (void)eo::any_kv_format(""); }) == refused("''"));
    CHECK(support::error_of([] { (void)eo::any_kv_format(eo::dtype::q8_0); }) == refused("'Q8_0'"));
}
