// SPDX-License-Identifier: MIT
#include <earlyout/io/sidecar.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::thrown;

namespace {

const eo::fitted_model fitted{8, 4, 11, "0123456789abcdef", "f32"};

eo::exit_weights sample() {
    eo::exit_weights made;
    made.set_model(fitted)
        .set_layers({3, 5})
        .set("sec.weight", {3, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
        .set("sec.5.weight", {3, 4}, std::vector<float>(12, 0.5f))
        .set("sec.5.bias", {3}, {1, 2, 3})
        .set_policy("sec", "sec(0.9, stop=0.7) @ 3,5")
        .set("mine", {2, 2}, {1, 2, 3, 4})
        .set_metadata("gate", "sec");
    return made;
}

}  // namespace

TEST_CASE("a sidecar is read back as it was written", "[io][sidecar]") {
    const support::temporary_folder folder;
    eo::io::write_exits(folder / "exits.safetensors", sample());
    const eo::exit_weights read = eo::io::read_exits(folder / "exits.safetensors");
    CHECK(read.model() == fitted);
    CHECK(std::vector(read.layers().begin(), read.layers().end()) == std::vector<std::size_t>{3, 5});
    CHECK(read.linear("sec").weight[11] == 12.0f);
    CHECK(read.linear("sec.5").bias[2] == 3.0f);
    CHECK(read.policy("sec") == "sec(0.9, stop=0.7) @ 3,5");
    CHECK(read.tensor("mine").shape == std::vector<std::size_t>{2, 2});
    CHECK(read.metadata().at("gate") == "sec");
    CHECK_FALSE(read.metadata().contains("fingerprint"));
    CHECK(read.source() == (folder / "exits.safetensors").string());
}

TEST_CASE("exits of another model are refused", "[io][sidecar]") {
    const eo::exit_weights exits = sample();
    CHECK_NOTHROW(eo::io::require_match(exits, fitted));
    const auto against = [&](eo::fitted_model other) { return error_of([&] { eo::io::require_match(exits, other); }); };
    eo::fitted_model other = fitted;
    other.fingerprint = "fedcba9876543210";
    CHECK(against(other) == thrown(errc::mismatch, {"0123456789abcdef", "fedcba9876543210"}));
    other = fitted;
    other.layers = 9;
    CHECK(against(other) == thrown(errc::mismatch, {"layers 8", "9"}));
}

TEST_CASE("exits record the weight formats that they fit", "[io][sidecar]") {
    eo::exit_weights exits = sample();
    CHECK(eo::io::fitted_with(exits, "f32"));
    CHECK_FALSE(eo::io::fitted_with(exits, "int8"));
    eo::fitted_model model = fitted;
    model.weight_formats = "f32, int8";
    exits.set_model(model);
    CHECK(eo::io::fitted_with(exits, "f32"));
    CHECK(eo::io::fitted_with(exits, "int8"));
    for (const char* other : {"bf16", "int", "f32, int8", "", "f3"}) CHECK_FALSE(eo::io::fitted_with(exits, other));
    model.weight_formats = "f32, int4, output int8, bf16";
    exits.set_model(model);
    for (const char* one : {"f32", "int4, output int8", "bf16"}) CHECK(eo::io::fitted_with(exits, one));
    for (const char* other : {"int4", "output int8", "int8"}) CHECK_FALSE(eo::io::fitted_with(exits, other));
}

TEST_CASE("a sidecar that breaks its format is refused", "[io][sidecar]") {
    const std::vector<float> weight(12, 0.0f);
    const auto reading = [&](eo::io::safetensors::text_map metadata, std::vector<eo::tensor_view> tensors) {
        const std::string bytes = eo::io::safetensors_bytes(tensors, metadata);
        return error_of([&] {
            (void)eo::io::read_exits(eo::io::safetensors(std::as_bytes(std::span(bytes)), "exits.safetensors"));
        });
    };
    const eo::io::safetensors::text_map good{
        {"format", "earlyout-exits"}, {"version", "2"},         {"layers", "8"}, {"d_model", "4"}, {"vocab", "11"},
        {"fingerprint", "00"},        {"weight_formats", "f32"}};
    const auto data = [](const std::vector<float>& values) { return std::as_bytes(std::span(values)); };
    const eo::tensor_view gate{"sec.weight", eo::dtype::f32, {3, 4}, data(weight)};
    CHECK(reading(good, {gate}).code == "none");
    for (const auto& [key, value] : good) {
        INFO(key);
        auto without = good;
        without.erase(key);
        CHECK(reading(without, {gate}) == thrown(errc::malformed_file, {"exits.safetensors", key, "missing"}));
    }
    const auto with = [&](std::string key, std::string value) {
        auto changed = good;
        changed[key] = value;
        return reading(changed, {gate});
    };
    CHECK(with("version", "1") == thrown(errc::unsupported, {"'version'", "'2'", "'1'"}));
    CHECK(with("format", "pt") == thrown(errc::unsupported, {"'format'", "'pt'"}));
    CHECK(with("layers", "eight") == thrown(errc::malformed_file, {"'layers'", "'eight'"}));
    CHECK(with("layers", "") == thrown(errc::malformed_file, {"'layers'"}));
    CHECK(with("d_model", "-4") == thrown(errc::malformed_file, {"'d_model'", "'-4'"}));
    CHECK(with("d_model", "5") == thrown(errc::mismatch, {"exits.safetensors", "sec", "d_model = 4", "found 5"}));
    for (const std::vector<float>& layers : {std::vector<float>{0}, {2.5f}, {3, 3}, {5, 3}, {9}, {1e9f}}) {
        INFO(layers[0]);
        CHECK(reading(good, {gate, {"exit_layers", eo::dtype::f32, {layers.size()}, data(layers)}}).code ==
              "wrong_value");
    }
    const std::vector<float> nan{std::numeric_limits<float>::quiet_NaN()};
    CHECK(reading(good, {{"x", eo::dtype::f32, {1}, data(nan)}}) == thrown(errc::wrong_value, {"'x'"}));
}
