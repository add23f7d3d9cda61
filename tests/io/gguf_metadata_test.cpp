// SPDX-License-Identifier: MIT
#include <earlyout/io/gguf_metadata.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/gguf.hpp"

namespace eo = earlyout;
using eo::errc;
using eo::io::gguf_metadata;
using eo::io::gguf_type;
using support::error_of;
using support::gguf_builder;
using support::raw;
using support::raw_text;
using support::thrown;

namespace {

gguf_metadata metadata_of(std::string_view bytes) { return {std::as_bytes(std::span(bytes)), "m.gguf"}; }

support::caught metadata_error(std::string_view bytes) {
    return error_of([&] { (void)metadata_of(bytes); });
}
support::caught metadata_error(const gguf_builder& made) { return metadata_error(made.bytes()); }

}  // namespace

TEST_CASE("gguf reads every type of metadata value", "[io][gguf_metadata]") {
    gguf_builder made;
    made.key("u8", gguf_type::u8, "\xff").key("i8", gguf_type::i8, "\xff");
    made.key("u16", gguf_type::u16, raw<std::uint16_t>(65535)).key("i16", gguf_type::i16, raw<std::int16_t>(-2));
    made.set("u32", 4294967295u).key("i32", gguf_type::i32, raw<std::int32_t>(-3));
    made.key("u64", gguf_type::u64, raw<std::uint64_t>(1ull << 62)).key("i64", gguf_type::i64, raw<std::int64_t>(-4));
    made.key("too much", gguf_type::u64, raw<std::uint64_t>(1ull << 63));
    made.set("f32", 0.5f).key("f64", gguf_type::f64, raw(1e100)).set("yes", true).set("text", "words");
    made.set("texts", std::vector<std::string>{"a", "", "bc"}).set("reals", std::vector<float>{1.5f, -2.0f});
    made.set("integers", std::vector<std::int32_t>{7, -8});
    made.array("nested", gguf_type::array, 2,
               raw(gguf_type::u8) + raw<std::uint64_t>(2) + "ab" + raw(gguf_type::string) + raw<std::uint64_t>(0));
    const std::string bytes = made.bytes();
    const gguf_metadata from = metadata_of(bytes);
    CHECK(from.version() == 3);
    CHECK(from.integer("u8") == 255);
    CHECK(from.integer("i8") == -1);
    CHECK(from.integer("u16") == 65535);
    CHECK(from.integer("i16") == -2);
    CHECK(from.integer("u32") == 4294967295);
    CHECK(from.integer("i32") == -3);
    CHECK(from.integer("u64") == std::int64_t{1} << 62);
    CHECK(from.integer("i64") == -4);
    CHECK(from.real("f32") == 0.5);
    CHECK(from.real("f64") == 1e100);
    CHECK(from.real("i16") == -2.0);
    CHECK(from.boolean("yes") == true);
    CHECK(from.text("text") == "words");
    CHECK(from.texts("texts") == std::vector<std::string_view>{"a", "", "bc"});
    CHECK(from.reals("reals") == std::vector<float>{1.5f, -2.0f});
    CHECK(from.integers("integers") == std::vector<std::int64_t>{7, -8});
    CHECK(from.value("nested")->count == 2);
    CHECK(from.integer("absent") == std::nullopt);
    CHECK(from.texts("absent") == std::nullopt);

    const auto asking = [](auto ask) { return error_of([&] { (void)ask(); }); };
    CHECK(asking([&] { return from.integer("too much"); }) == thrown(errc::malformed_file, {"m.gguf", "'too much'"}));
    CHECK(asking([&] { return from.integer("f32"); }) ==
          thrown(errc::malformed_file, {"'f32'", "whole number", "f32"}));
    CHECK(asking([&] { return from.real("text"); }) == thrown(errc::malformed_file, {"'text'", "number", "string"}));
    CHECK(asking([&] { return from.boolean("u8"); }) == thrown(errc::malformed_file, {"'u8'", "true or false", "u8"}));
    CHECK(asking([&] { return from.text("texts"); }) == thrown(errc::malformed_file, {"single", "array of string"}));
    CHECK(asking([&] { return from.texts("text"); }) == thrown(errc::malformed_file, {"'text'", "an array", "string"}));
    CHECK(asking([&] { return from.texts("reals"); }) == thrown(errc::malformed_file, {"array of strings", "f32"}));
    CHECK(asking([&] { return from.reals("integers"); }) == thrown(errc::malformed_file, {"array of f32", "i32"}));
    CHECK(asking([&] { return from.integers("nested"); }) ==
          thrown(errc::malformed_file, {"'nested'", "whole numbers", "array of array"}));
}

TEST_CASE("every kind of damage to a gguf file's metadata is named", "[io][gguf_metadata]") {
    CHECK(metadata_error("") == thrown(errc::malformed_file, {"m.gguf", "begins with GGUF", "an empty file"}));
    CHECK(metadata_error("GGML....") == thrown(errc::malformed_file, {"GGUF", "'GGML'"}));
    CHECK(metadata_error("GGUF\3") == thrown(errc::malformed_file, {"version", "1 left"}));
    gguf_builder old;
    old.version = 1;
    CHECK(metadata_error(old) == thrown(errc::unsupported, {"version 2 or 3", "found 1"}));
    old.version = 3u << 24;
    CHECK(metadata_error(old) == thrown(errc::unsupported, {"big-endian"}));

    const std::string start = "GGUF" + raw<std::uint32_t>(3) + raw<std::uint64_t>(0);
    CHECK(metadata_error(start + raw<std::uint64_t>(1)) == thrown(errc::malformed_file, {"key 0", "0 left"}));
    CHECK(metadata_error(start + raw<std::uint64_t>(1) + raw<std::uint64_t>(1ull << 60)) ==
          thrown(errc::malformed_file, {"key 0", "at most 65535"}));
    CHECK(metadata_error(start + raw<std::uint64_t>(~0ull) + raw_text("k") + raw(gguf_type::u8) + "1") ==
          thrown(errc::malformed_file, {"key 1"}));
    CHECK(metadata_error(gguf_builder().set("", 1u)) == thrown(errc::malformed_file, {"key 0", "empty"}));
    CHECK(metadata_error(gguf_builder().set("k", 1u).set("k", 2u)) == thrown(errc::malformed_file, {"'k'", "twice"}));
    CHECK(metadata_error(gguf_builder().key("k", gguf_type{13}, "")) ==
          thrown(errc::malformed_file, {"'k'", "0 to 12", "13"}));
    CHECK(metadata_error(gguf_builder().key("k", gguf_type::u64, "123").header()) ==
          thrown(errc::malformed_file, {"'k'", "8 bytes", "3 left"}));
    CHECK(metadata_error(gguf_builder().key("k", gguf_type::boolean, "\2")) ==
          thrown(errc::malformed_file, {"'k'", "true or false", "2"}));
    CHECK(metadata_error(gguf_builder().key("k", gguf_type::string, raw<std::uint64_t>(1ull << 63))) ==
          thrown(errc::malformed_file, {"'k'", "left"}));
    for (const gguf_type t : {gguf_type::u8, gguf_type::f64, gguf_type::string, gguf_type::array}) {
        CHECK(metadata_error(gguf_builder().array("k", t, ~0ull, "")) == thrown(errc::malformed_file, {"'k'", "left"}));
    }
    std::string deep;
    for (int i = 0; i < 1000; ++i) deep += raw(gguf_type::array) + raw<std::uint64_t>(1);
    CHECK(metadata_error(gguf_builder().key("k", gguf_type::array, deep)) ==
          thrown(errc::unsupported, {"'k'", "arrays"}));
}

TEST_CASE("a gguf file's metadata is the same without its tensors", "[io][gguf_metadata]") {
    const std::string bytes = gguf_builder().set("k", 7u).floats("w", {1}, {1}).bytes();
    const gguf_metadata from = metadata_of(bytes);
    CHECK(from.tensor_count() == 1);
    const std::string header = from.header_without_tensors();
    const gguf_metadata without = metadata_of(header);
    CHECK(without.tensor_count() == 0);
    CHECK(without.integer("k") == 7);
}
