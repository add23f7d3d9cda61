// SPDX-License-Identifier: MIT
#include <earlyout/weights/checkpoint.hpp>
#include <earlyout/weights/memory_checkpoint.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::dtype;
using eo::errc;
using support::error_of;
using support::thrown;

namespace {

template <class T>
eo::tensor_view view(dtype type, const std::vector<T>& values) {
    return {"w", type, {values.size()}, std::as_bytes(std::span(values))};
}

std::vector<float> floats(const eo::tensor_view& tensor) {
    std::vector<float> out(tensor.element_count());
    eo::to_floats(tensor, out, "model.safetensors");
    return out;
}

}  // namespace

TEST_CASE("to_floats converts every finite 16-bit number exactly", "[weights][checkpoint]") {
    std::vector<std::uint16_t> halves;
    std::vector<std::uint16_t> brains;
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        if ((bits & 0x7c00) != 0x7c00) halves.push_back(static_cast<std::uint16_t>(bits));
        if ((bits & 0x7f80) != 0x7f80) brains.push_back(static_cast<std::uint16_t>(bits));
    }
    const std::vector<float> from_halves = floats(view(dtype::f16, halves));
    const std::vector<float> from_brains = floats(view(dtype::bf16, brains));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < halves.size(); ++i) {
        const int exponent = (halves[i] >> 10) & 31;
        const int fraction = halves[i] & 1023;
        const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
        const double expected = (halves[i] & 0x8000) != 0 ? -magnitude : magnitude;
        if (from_halves[i] != expected || std::signbit(from_halves[i]) != std::signbit(expected)) ++wrong;
    }
    for (std::size_t i = 0; i < brains.size(); ++i) {
        if (std::bit_cast<std::uint32_t>(from_brains[i]) != static_cast<std::uint32_t>(brains[i]) << 16) ++wrong;
    }
    CHECK(wrong == 0);
}

TEST_CASE("to_floats copies floats bit for bit, from any address", "[weights][checkpoint]") {
    const std::vector<float> values{-0.0f, 1.5f, std::numeric_limits<float>::denorm_min(),
                                    -std::numeric_limits<float>::max(), 3.0e-39f};
    std::vector<std::byte> storage(values.size() * 4 + 3);
    for (std::size_t shift = 0; shift < 4; ++shift) {
        std::memcpy(storage.data() + shift, values.data(), values.size() * 4);
        const eo::tensor_view tensor{
            "w", dtype::f32, {values.size()}, std::span(storage).subspan(shift, values.size() * 4)};
        const std::vector<float> out = floats(tensor);
        CHECK(std::memcmp(out.data(), values.data(), values.size() * 4) == 0);
    }
}

TEST_CASE("to_floats names the first element that is not finite", "[weights][checkpoint]") {
    // First and last of a block, and of the tensor.
    for (const std::size_t at : {std::size_t{0}, std::size_t{4095}, std::size_t{4096}, std::size_t{9999}}) {
        const std::string element = "element " + std::to_string(at) + " must be a finite number";
        std::vector<float> values(10000, 1.0f);
        values[at] = -std::numeric_limits<float>::infinity();
        values[9999] = at == 9999 ? values[9999] : std::nanf("");
        CHECK(error_of([&] { floats(view(dtype::f32, values)); }) ==
              thrown(errc::wrong_value, {"model.safetensors", "'w'", element, "-inf"}));
        std::vector<std::uint16_t> brains(10000, 0x3f80);
        brains[at] = 0x7fc0;
        CHECK(error_of([&] { floats(view(dtype::bf16, brains)); }) == thrown(errc::wrong_value, {element, "nan"}));
        std::vector<std::uint16_t> halves(10000, 0x3c00);
        halves[at] = 0x7c00;
        CHECK(error_of([&] { floats(view(dtype::f16, halves)); }) == thrown(errc::wrong_value, {element, "inf"}));
        halves[at] = 0xfc01;
        CHECK(error_of([&] { floats(view(dtype::f16, halves)); }) == thrown(errc::wrong_value, {element, "nan"}));
    }
}

TEST_CASE("to_floats refuses a buffer of another size", "[weights][checkpoint]") {
    const std::vector<float> values(3, 1.0f);
    std::vector<float> out(4);
    CHECK(error_of([&] { eo::to_floats(view(dtype::f32, values), out, "f"); }) ==
          thrown(errc::wrong_shape, {"'w'", "3", "4"}));
    std::vector<float> none;
    CHECK_NOTHROW(eo::to_floats(view(dtype::f32, none), none, "f"));
}

TEST_CASE("a large matrix is read a few rows at a time", "[weights][checkpoint]") {
    constexpr std::size_t rows = 1000, cols = 777;
    std::vector<float> values(rows * cols);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 4099);
    const auto reading = [&](std::vector<float> stored) {
        eo::memory_checkpoint from("folder");
        from.add("w", {rows, cols}, std::move(stored));
        std::vector<float> read;
        std::size_t calls = 0;
        eo::read_rows(from, "w", rows, cols, [&](std::size_t first, eo::matrix_view<const float> some) {
            CHECK(first * cols == read.size());
            read.insert(read.end(), some.data(), some.data() + some.rows() * some.cols());
            ++calls;
        });
        CHECK(calls > 2);
        return read;
    };
    CHECK(reading(values) == values);
    values[700 * cols + 5] = std::numeric_limits<float>::infinity();
    CHECK(error_of([&] { (void)reading(values); }) ==
          thrown(errc::wrong_value, {"folder", "'w'", std::to_string(700 * cols + 5), "inf"}));
    eo::memory_checkpoint empty("folder");
    CHECK(error_of([&] { eo::read_rows(empty, "w", 2, 3, [](std::size_t, eo::matrix_view<const float>) {}); }) ==
          thrown(errc::missing_tensor, {"folder", "'w'", "[2, 3]"}));
}

TEST_CASE("a tensor that is missing or mis-shaped is named", "[weights][checkpoint]") {
    eo::memory_checkpoint from("folder");
    from.add("wte.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
    CHECK(eo::read_tensor(from, "wte.weight", {2, 3}) == std::vector<float>{1, 2, 3, 4, 5, 6});
    CHECK(error_of([&] {
              (void)eo::read_tensor(from, "wpe.weight", {4, 3});
          }) == thrown(errc::missing_tensor, {"folder", "'wpe.weight'", "[4, 3]"}));
    CHECK(error_of([&] {
              (void)eo::read_tensor(from, "wte.weight", {3, 2});
          }) == thrown(errc::wrong_shape, {"folder", "'wte.weight'", "[3, 2]", "[2, 3]"}));
    CHECK(error_of([&] { (void)eo::read_tensor(from, "wte.weight", {6}); }) ==
          thrown(errc::wrong_shape, {"[6]", "[2, 3]"}));
}

TEST_CASE("rows of a tensor without its bytes are refused", "[weights][checkpoint]") {
    const eo::memory_checkpoint from("by hand");
    const eo::tensor_view named{"w", eo::dtype::f32, {2, 3}, {}};
    CHECK(error_of([&] { eo::read_rows(from, named, 0, 2, [](std::size_t, auto) {}); }) ==
          thrown(errc::malformed_file, {"by hand", "'w'", "24 bytes", "found 0"}));
}
