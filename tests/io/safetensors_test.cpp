// SPDX-License-Identifier: MIT
#include <earlyout/io/safetensors.hpp>
#include <earlyout/io/safetensors_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::thrown;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string length(std::uint64_t n) {
    std::string made;
    for (int i = 0; i < 8; ++i) made += static_cast<char>(n >> (8 * i));
    return made;
}

std::string file(std::string_view header, std::size_t data) {
    return length(header.size()).append(header).append(std::string(data, '\0'));
}

/// What reading this header, with that many bytes of data, throws.
support::caught reading(std::string_view header, std::size_t data) {
    const std::string all = file(header, data);
    return error_of([&] { eo::io::safetensors(bytes_of(all), "m.safetensors"); });
}

}  // namespace

TEST_CASE("safetensors returns names, types, shapes, bytes and metadata", "[io][safetensors]") {
    const std::string all =
        file(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[4,8]},)"
             R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"mask":{"dtype":"BOOL","shape":[3],)"
             R"("data_offsets":[8,11]},"none":{"dtype":"F16","shape":[0,7],"data_offsets":[8,8]}}   )",
             11);
    const eo::io::safetensors read(bytes_of(all), "m.safetensors");
    REQUIRE(read.tensors().size() == 3);
    CHECK(read.metadata().at("format") == "pt");
    CHECK(read.find("a")->shape.empty());
    CHECK(read.find("a")->element_count() == 1);
    CHECK(read.find("b")->type == eo::dtype::bf16);
    CHECK(read.find("b")->shape == std::vector<std::size_t>{2, 1});
    CHECK(read.find("b")->bytes.data() == bytes_of(all).data() + all.size() - 7);
    CHECK(read.find("none")->bytes.empty());
    CHECK(read.find("c") == nullptr);
    CHECK(read.others().at("mask") == "BOOL");
    CHECK(error_of([&] { (void)read.find("mask"); }) ==
          thrown(errc::unsupported, {"m.safetensors", "'mask'", "F32, F16 or BF16", "BOOL"}));
}

TEST_CASE("safetensors refuses a file truncated anywhere", "[io][safetensors]") {
    const std::vector<float> values{1, 2, 3};
    const eo::tensor_view views[] = {{"x", eo::dtype::f32, {3}, std::as_bytes(std::span(values))}};
    const std::string whole = eo::io::safetensors_bytes(views);
    CHECK_NOTHROW(eo::io::safetensors(bytes_of(whole), "m"));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::string part = whole.substr(0, size);
        INFO(size);
        CHECK(error_of([&] { eo::io::safetensors(bytes_of(part), "m"); }).code == "malformed_file");
    }
    const std::string longer = whole + 'x';
    CHECK(error_of([&] { eo::io::safetensors(bytes_of(longer), "m"); }) == thrown(errc::malformed_file, {"12", "13"}));
}

TEST_CASE("safetensors refuses header lengths that the file does not hold", "[io][safetensors]") {
    for (const std::uint64_t size : {std::uint64_t{1} << 63, std::numeric_limits<std::uint64_t>::max(),
                                     std::uint64_t{3}, std::uint64_t{100'000'001}}) {
        const std::string all = length(size) + "{}";
        CHECK(error_of([&] { eo::io::safetensors(bytes_of(all), "m.safetensors"); }) ==
              thrown(errc::malformed_file, {"m.safetensors", "at most 2 bytes", std::to_string(size)}));
    }
    CHECK(error_of([] { eo::io::safetensors({}, "m"); }) == thrown(errc::malformed_file, {"found an empty file"}));
}

TEST_CASE("safetensors names the tensor that is wrong and how", "[io][safetensors]") {
    const auto entry = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
        return std::string(R"({"x":{"dtype":)")
            .append(dtype)
            .append(R"(,"shape":)")
            .append(shape)
            .append(R"(,"data_offsets":)")
            .append(offsets)
            .append("}}");
    };
    CHECK(reading(entry(R"("F32")", "[2]", "[0,8]"), 8).code == "none");
    const auto malformed = [](std::initializer_list<std::string_view> words) {
        return thrown(errc::malformed_file, words);
    };
    CHECK(reading(entry(R"("F32")", "[3]", "[0,8]"), 8) == malformed({"'x'", "12 bytes", "[3]", "8"}));
    CHECK(reading(entry(R"("F32")", "[2]", "[0,9]"), 8) == malformed({"'x'", "data_offsets", "8 bytes", "[0, 9]"}));
    CHECK(reading(entry(R"("F32")", "[2]", "[8,0]"), 8) == malformed({"'x'", "[8, 0]"}));
    CHECK(reading(entry(R"("F32")", "[2]", "[0]"), 8) == malformed({"'x'", "[0]"}));
    CHECK(reading(entry(R"("F32")", "[2]", "[0,18446744073709551615]"), 8) == malformed({"18446744073709551615"}));
    CHECK(reading(entry(R"("F32")", "[-2]", "[0,8]"), 8) == malformed({"'x'", "shape", "-2"}));
    CHECK(reading(entry(R"("F32")", "[2.0]", "[0,8]"), 8) == malformed({"'x'", "shape", "2.0"}));
    CHECK(reading(entry(R"("F32")", "2", "[0,8]"), 8) == malformed({"'x'", "shape", "array"}));
    CHECK(reading(entry("4", "[2]", "[0,8]"), 8) == malformed({"'x'", "dtype", "string"}));
    // 2^62 * 4 * 4 wraps to 0 in 64 bits.
    CHECK(reading(entry(R"("F32")", "[4611686018427387904,4]", "[0,0]"), 0) == malformed({"'x'", "larger"}));
    CHECK(reading(entry(R"("F32")", "[4611686018427387904,0]", "[0,0]"), 0).code == "none");
    CHECK(reading(entry(R"("U4_OF_2099")", "[4]", "[0,2]"), 2).code == "none");
    CHECK(reading(R"({"x":{"dtype":"F32","shape":[2]}})", 8) == malformed({"'x'", "data_offsets is missing"}));
    CHECK(reading(R"({"x":7})", 0) == malformed({"'x'", "object", "number"}));
    CHECK(reading("[]", 0) == malformed({"header", "object"}));
    CHECK(reading(R"({"__metadata__":{"k":1}})", 0) == malformed({"__metadata__", "'k'", "string"}));
    CHECK(reading(R"({"x":)", 0) == malformed({"header", "JSON"}));
    CHECK(reading("", 0) == malformed({"header", "JSON"}));
}

TEST_CASE("safetensors refuses overlap, holes and names given twice", "[io][safetensors]") {
    const auto two = [](std::string_view first, std::string_view second, std::string_view name = "b") {
        return std::string(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)")
            .append(first)
            .append("},\"")
            .append(name)
            .append(R"(":{"dtype":"F32","shape":[1],"data_offsets":)")
            .append(second)
            .append("}}");
    };
    CHECK(reading(two("[0,4]", "[4,8]"), 8).code == "none");
    CHECK(reading(two("[4,8]", "[0,4]"), 8).code == "none");
    CHECK(reading(two("[0,4]", "[2,6]"), 6) == thrown(errc::malformed_file, {"'b'", "byte 4", "2", "overlap"}));
    CHECK(reading(two("[0,4]", "[0,4]"), 4) == thrown(errc::malformed_file, {"overlap"}));
    CHECK(reading(two("[0,4]", "[5,9]"), 9) == thrown(errc::malformed_file, {"'b'", "hole"}));
    CHECK(reading(two("[0,4]", "[4,8]", "a"), 8) == thrown(errc::malformed_file, {"'a'", "twice"}));
}

TEST_CASE("safetensors refuses a header that nests without end", "[io][safetensors]") {
    const std::string deep = R"({"x":)" + std::string(100000, '[');
    CHECK(reading(deep, 0) == thrown(errc::malformed_file, {"64 levels"}));
}

TEST_CASE("safetensors_file reads what write_safetensors wrote", "[io][safetensors]") {
    const support::temporary_folder folder;
    const std::vector<float> values{1.5f, -0.0f, 3e-39f};
    const std::vector<std::uint16_t> halves{0x3c00};
    const std::vector<eo::tensor_view> views{{"layer/\"1\"", eo::dtype::f32, {3, 1}, std::as_bytes(std::span(values))},
                                             {"\xc3\xa9", eo::dtype::f16, {}, std::as_bytes(std::span(halves))}};
    eo::io::write_safetensors(folder / "w.safetensors", views, {{"k", "v"}});
    eo::io::safetensors_file opened(folder / "w.safetensors");
    const eo::io::safetensors_file read = std::move(opened);
    for (const auto& view : views) {
        const auto* found = read.contents().find(view.name);
        REQUIRE(found != nullptr);
        CHECK(found->shape == view.shape);
        CHECK(std::ranges::equal(found->bytes, view.bytes));
    }
    CHECK(read.contents().metadata().at("k") == "v");
}

TEST_CASE("write_safetensors refuses what no reader accepts, and keeps the old file", "[io][safetensors]") {
    const support::temporary_folder folder;
    folder.write("w.safetensors", "old");
    const std::vector<float> values{1, 2};
    const auto data = std::as_bytes(std::span(values));
    const auto write = [&](std::vector<eo::tensor_view> views, std::string_view name = "w.safetensors") {
        return error_of([&] { eo::io::write_safetensors(folder / name, views); });
    };
    CHECK(write({{"x", eo::dtype::f32, {3}, data}}) == thrown(errc::wrong_shape, {"'x'", "[3]", "8 bytes"}));
    CHECK(write({{"x", eo::dtype::f32, {2}, data}, {"x", eo::dtype::f32, {2}, data}}) ==
          thrown(errc::invalid_argument, {"'x'", "twice"}));
    CHECK(write({{"\xff", eo::dtype::f32, {2}, data}}).code == "invalid_argument");
    CHECK(write({{"x", eo::dtype::f32, {2}, data}}, "no/such/folder") == thrown(errc::io, {"no/such/folder"}));
    CHECK(folder.read("w.safetensors") == "old");
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("mapped_file refuses anything but a regular file", "[io][mapped_file]") {
    const support::temporary_folder folder;
    const auto opening = [&](std::string_view name) { return error_of([&] { eo::io::mapped_file{folder / name}; }); };
    CHECK(opening("none") == thrown(errc::no_such_file, {"none", "cannot be opened"}));
    std::filesystem::create_directory(folder / "sub");
    CHECK(opening("sub") == thrown(errc::no_such_file, {"sub", "found a folder"}));
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK(opening("pipe") == thrown(errc::no_such_file, {"pipe", "expected a file"}));
    folder.write("empty", "");
    CHECK(eo::io::mapped_file(folder / "empty").bytes().empty());
}
