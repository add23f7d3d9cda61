// SPDX-License-Identifier: MIT
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/hugging_face_text.hpp>
#include <earlyout/io/safetensors_writer.hpp>

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
using eo::errc;
using eo::io::hugging_face_checkpoint;
using support::error_of;
using support::thrown;

namespace {

std::string tensors(std::initializer_list<std::pair<std::string, std::vector<float>>> content) {
    std::vector<eo::tensor_view> views;
    for (const auto& [name, values] : content) {
        views.push_back({name, eo::dtype::f32, {values.size()}, std::as_bytes(std::span(values))});
    }
    return eo::io::safetensors_bytes(views);
}

support::caught opening(const support::temporary_folder& folder) {
    return error_of([&] { hugging_face_checkpoint{folder.path()}; });
}

}  // namespace

TEST_CASE("a Hugging Face folder returns configuration values in their own type", "[io][hugging_face]") {
    const support::temporary_folder folder;
    folder.write("config.json", R"({"i":-3,"r":1e-5,"b":true,"t":"gpt2","n":null,"big":18446744073709551615})");
    folder.write("model.safetensors", tensors({{"w", {1, 2}}}));
    const hugging_face_checkpoint from(folder.path());
    CHECK(from.integer("i") == -3);
    CHECK(from.real("r") == 1e-5);
    CHECK(from.real("i") == -3.0);
    CHECK(from.boolean("b") == true);
    CHECK(from.text("t") == "gpt2");
    CHECK_FALSE(from.integer("n"));
    CHECK_FALSE(from.text("absent"));
    CHECK(from.is_null("n"));
    CHECK_FALSE(from.is_null("i"));
    CHECK_FALSE(from.is_null("absent"));
    CHECK(error_of([&] { (void)from.integer("t"); }) ==
          thrown(errc::malformed_file, {"config.json", "'t'", "whole number", "\"gpt2\""}));
    CHECK(error_of([&] { (void)from.integer("r"); }) == thrown(errc::malformed_file, {"'r'", "1e-05"}));
    CHECK(error_of([&] { (void)from.integer("big"); }).code == "malformed_file");
    CHECK(error_of([&] { (void)from.real("b"); }).code == "malformed_file");
    CHECK(error_of([&] { (void)from.boolean("i"); }).code == "malformed_file");
    CHECK(error_of([&] { (void)from.text("i"); }).code == "malformed_file");
    CHECK(from.find("w")->shape == std::vector<std::size_t>{2});
    CHECK(from.find("v") == nullptr);
}

TEST_CASE("shards read as one file, with the same fingerprint", "[io][hugging_face]") {
    const support::temporary_folder whole;
    const support::temporary_folder cut;
    for (const auto* folder : {&whole, &cut}) folder->write("config.json", "{}");
    whole.write("model.safetensors", tensors({{"a", {1, 2}}, {"b", {3}}, {"c", {4, 5, 6}}}));
    cut.write("1.safetensors", tensors({{"c", {4, 5, 6}}, {"a", {1, 2}}}));
    cut.write("2.safetensors", tensors({{"b", {3}}}));
    cut.write("model.safetensors.index.json",
              R"({"metadata":{},"weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"1.safetensors"}})");
    const hugging_face_checkpoint one(whole.path());
    const hugging_face_checkpoint two(cut.path());
    CHECK(eo::read_tensor(two, "c", {3}) == std::vector<float>{4, 5, 6});
    CHECK(eo::read_tensor(two, "b", {1}) == std::vector<float>{3});
    CHECK(one.fingerprint() == two.fingerprint());
    CHECK(one.fingerprint().size() == 16);
}

TEST_CASE("the fingerprint depends on every byte, name, type and shape", "[io][hugging_face]") {
    const auto of = [](std::string name, std::vector<std::size_t> shape, std::vector<float> values) {
        eo::io::fingerprint made;
        made.add({std::move(name), eo::dtype::f32, std::move(shape), std::as_bytes(std::span(values))});
        return made.text();
    };
    std::vector<float> values(100);
    const std::string base = of("w", {10, 10}, values);
    CHECK(base == of("w", {10, 10}, values));
    CHECK(base != of("v", {10, 10}, values));
    CHECK(base != of("w", {100}, values));
    CHECK(of("w", {1}, {0.0f}) != of("w", {2}, {0.0f, 0.0f}));
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::vector<float> changed = values;
        changed[i] = 1e-40f;
        CHECK(base != of("w", {10, 10}, changed));
    }
    eo::io::fingerprint twice;
    const eo::tensor_view view{"w", eo::dtype::f32, {10, 10}, std::as_bytes(std::span(values))};
    twice.add(view);
    twice.add(view);
    CHECK(twice.text() != base);
}

TEST_CASE("a folder that is not a model is refused in one sentence", "[io][hugging_face]") {
    CHECK(error_of([] { hugging_face_checkpoint{"/no/such/folder"}; }) ==
          thrown(errc::no_such_file, {"/no/such/folder", "expected a folder", "nothing"}));
    const support::temporary_folder folder;
    CHECK(opening(folder) == thrown(errc::no_such_file, {"config.json"}));
    folder.write("config.json", "{");
    CHECK(opening(folder) == thrown(errc::malformed_file, {"config.json", "JSON"}));
    folder.write("config.json", "\xff\xfe");
    CHECK(opening(folder) == thrown(errc::malformed_file, {"config.json", "JSON"}));
    folder.write("config.json", "[1]");
    CHECK(opening(folder) == thrown(errc::malformed_file, {"config.json", "object", "array"}));
    folder.write("config.json", std::string(1000, '[') + std::string(1000, ']'));
    CHECK(opening(folder) == thrown(errc::malformed_file, {"config.json", "64 levels"}));
    folder.write("config.json", "{}");
    CHECK(opening(folder) == thrown(errc::no_such_file, {"model.safetensors", "index.json"}));
    folder.write("pytorch_model.bin", "");
    CHECK(opening(folder) == thrown(errc::no_such_file, {"pytorch_model.bin", "convert"}));
}

TEST_CASE("Python's JSON is read: numbers that are not finite, duplicate keys", "[io][hugging_face]") {
    const support::temporary_folder folder;
    folder.write("model.safetensors", tensors({{"w", {1}}}));
    folder.write("config.json", R"({"a":NaN,"b":[Infinity,-Infinity],"t":"NaN \"Infinity","i":1,"i":2})");
    const hugging_face_checkpoint from(folder.path());
    CHECK(from.integer("i") == 2);
    CHECK(from.text("t") == "NaN \"Infinity");
    CHECK(error_of([&] { (void)from.real("a"); }) == thrown(errc::malformed_file, {"'a'", "a number", "NaN"}));
    folder.write("config.json", R"({"a":Nan})");
    CHECK(opening(folder) == thrown(errc::malformed_file, {"config.json", "JSON"}));
}

TEST_CASE("an index is not trusted", "[io][hugging_face]") {
    const support::temporary_folder folder;
    folder.write("config.json", "{}");
    folder.write("1.safetensors", tensors({{"a", {1}}}));
    const auto with = [&](std::string_view map) {
        folder.write("model.safetensors.index.json", std::string(R"({"weight_map":)").append(map).append("}"));
        return opening(folder);
    };
    CHECK(with(R"({"a":"1.safetensors"})").code == "none");
    CHECK(with(R"({"b":"1.safetensors"})").code == "none");  // and missed when it is needed
    CHECK(hugging_face_checkpoint(folder.path()).find("b") == nullptr);
    CHECK(with(R"({"a":"2.safetensors"})") == thrown(errc::no_such_file, {"2.safetensors"}));
    for (const auto* name : {R"("../1.safetensors")", R"("/etc/passwd")", R"("")", R"("..")", "7", R"("a\u0000b")"}) {
        INFO(name);
        CHECK(with(std::string(R"({"a":)").append(name).append("}")) ==
              thrown(errc::malformed_file, {"index.json", "'a'", "beside it"}));
    }
    CHECK(with("[]") == thrown(errc::malformed_file, {"index.json", "weight_map"}));
    folder.write("model.safetensors.index.json", "{}");
    CHECK(opening(folder) == thrown(errc::malformed_file, {"weight_map"}));
}

TEST_CASE("generation_config reads end-of-text ids as a number, a list or from config.json", "[io][hugging_face]") {
    const support::temporary_folder folder;
    folder.write("model.safetensors", tensors({{"a", {1}}}));
    folder.write("config.json", R"({"bos_token_id":7,"eos_token_id":8})");
    const auto read = [&] { return eo::io::read_generation_config(hugging_face_checkpoint(folder.path())); };
    CHECK(read().eos_token_ids == std::vector<eo::token_id>{8});
    CHECK(read().bos_token_id == 7);
    CHECK_FALSE(read().add_bos);
    folder.write("generation_config.json", R"({"eos_token_id":[1,2],"bos_token_id":null})");
    folder.write("tokenizer_config.json", R"({"add_bos_token":true})");
    CHECK(read().eos_token_ids == std::vector<eo::token_id>{1, 2});
    CHECK(read().bos_token_id == 7);
    CHECK(read().add_bos);
    folder.write("generation_config.json", R"({"eos_token_id":-1,"bos_token_id":-1})");
    CHECK(read().eos_token_ids == std::vector<eo::token_id>{8});
    folder.write("generation_config.json", R"({"eos_token_id":[-1,3,null]})");
    CHECK(read().eos_token_ids == std::vector<eo::token_id>{3});
    for (const auto* bad : {"-2", "1.5", "\"x\"", "[1,\"x\"]", "2147483648", "{}"}) {
        INFO(bad);
        folder.write("generation_config.json", std::string(R"({"eos_token_id":)").append(bad).append("}"));
        CHECK(error_of(read) == thrown(errc::malformed_file, {"generation_config.json", "'eos_token_id'"}));
    }
    folder.write("generation_config.json", "{}");
    folder.write("tokenizer_config.json", R"({"add_bos_token":1})");
    CHECK(error_of(read) == thrown(errc::malformed_file, {"tokenizer_config.json", "'add_bos_token'"}));
}

namespace {

/// A folder of gpt-oss that has nothing but these tensors.
struct fused_folder {
    explicit fused_folder(const std::vector<eo::io::tensor_to_write>& content, const char* type = "gpt_oss") {
        folder.write("config.json", std::string(R"({"model_type":")").append(type).append("\"}"));
        eo::io::write_safetensors(folder / "model.safetensors", content);
    }
    [[nodiscard]] hugging_face_checkpoint open() const { return hugging_face_checkpoint(folder.path()); }
    [[nodiscard]] support::caught finding(const std::string& name) const {
        return error_of([&] { (void)open().find(name); });
    }
    support::temporary_folder folder;
};

const std::string fused_experts = "model.layers.0.mlp.experts.";

eo::io::tensor_to_write fused_floats(const std::string& name, const std::vector<std::size_t>& shape,
                                     const std::vector<float>& values) {
    return {name, "F32", shape, std::as_bytes(std::span(values))};
}
eo::io::tensor_to_write fused_codes(const std::string& name, const std::vector<std::size_t>& shape,
                                    const std::vector<std::byte>& values) {
    return {name, "U8", shape, values};
}

std::vector<float> fused_values(const eo::tensor_view& view) {
    std::vector<float> values(view.element_count());
    eo::to_floats(view, values, "test");
    return values;
}

}  // namespace

TEST_CASE("experts that are stored together are found one by one", "[io][hugging_face][gpt_oss]") {
    // [2 experts, 3 in, 4 out]: gate, up, gate, up.
    std::vector<float> matrices(24), biases(8);
    for (std::size_t i = 0; i < 24; ++i) matrices[i] = static_cast<float>(i);
    for (std::size_t i = 0; i < 8; ++i) biases[i] = static_cast<float>(100 + i);
    const std::vector<eo::io::tensor_to_write> content{
        fused_floats(fused_experts + "gate_up_proj", {2, 3, 4}, matrices),
        fused_floats(fused_experts + "gate_up_proj_bias", {2, 4}, biases),
        fused_floats(fused_experts + "down_proj", {2, 4, 3}, matrices)};
    const fused_folder of(content);
    const hugging_face_checkpoint from = of.open();
    const eo::tensor_view* const gate = from.find(fused_experts + "0.gate_proj.weight");
    REQUIRE(gate != nullptr);
    CHECK(gate->name == fused_experts + "0.gate_proj.weight");
    CHECK(gate->shape == std::vector<std::size_t>{2, 3});
    CHECK(fused_values(*gate) == std::vector<float>{0, 4, 8, 2, 6, 10});
    CHECK(fused_values(*from.find(fused_experts + "1.up_proj.weight")) == std::vector<float>{13, 17, 21, 15, 19, 23});
    CHECK(fused_values(*from.find(fused_experts + "1.up_proj.bias")) == std::vector<float>{105, 107});
    CHECK(from.find(fused_experts + "1.down_proj.weight")->shape == std::vector<std::size_t>{3, 4});
    CHECK(fused_values(*from.find(fused_experts + "1.down_proj.weight")) ==
          std::vector<float>{12, 15, 18, 21, 13, 16, 19, 22, 14, 17, 20, 23});
    CHECK(from.find(fused_experts + "0.gate_proj.weight") == gate);
    from.consume(gate->bytes);  // what was made of it is given back, and made again
    CHECK(fused_values(*from.find(fused_experts + "0.gate_proj.weight")) == std::vector<float>{0, 4, 8, 2, 6, 10});
    for (const char* absent : {"2.gate_proj.weight", "0.down_proj.bias", "0.gate_proj.scale", "0.w1.weight",
                               "x.gate_proj.weight", "99999999999999999999.up_proj.weight"}) {
        CHECK(from.find(fused_experts + absent) == nullptr);
    }

    std::vector<std::string> visited, stored;
    from.for_each_tensor([&](const eo::tensor_view& view) { visited.push_back(view.name); });
    CHECK(visited.size() == 2 + 4 + 4);
    CHECK(visited.front() == fused_experts + "0.down_proj.weight");
    from.for_each_stored([&](const eo::tensor_view& view) { stored.push_back(view.name); });
    CHECK(stored == std::vector<std::string>{fused_experts + "down_proj", fused_experts + "gate_up_proj",
                                             fused_experts + "gate_up_proj_bias"});
    CHECK_FALSE(from.has_blocks());
    CHECK(from.lossless_format() == "f32");
    CHECK(fused_folder(content, "llama").open().find(fused_experts + "0.gate_proj.weight") == nullptr);
}

TEST_CASE("experts in MXFP4 are made of their codes and scales", "[io][hugging_face][gpt_oss]") {
    std::vector<std::byte> blocks(2 * 4 * 16), scales(2 * 4);
    for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<std::byte>(37 * i + 11);
    for (std::size_t i = 0; i < scales.size(); ++i) scales[i] = static_cast<std::byte>(120 + i);
    const auto content = [&] {
        return std::vector<eo::io::tensor_to_write>{
            fused_codes(fused_experts + "gate_up_proj_blocks", {2, 4, 1, 16}, blocks),
            fused_codes(fused_experts + "gate_up_proj_scales", {2, 4, 1}, scales)};
    };
    const fused_folder of(content());
    const hugging_face_checkpoint from = of.open();
    constexpr float values[]{0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    for (std::size_t expert = 0; expert < 2; ++expert) {
        for (std::size_t turn = 0; turn < 2; ++turn) {
            const eo::tensor_view* const found = from.find(fused_experts + std::to_string(expert) +
                                                           (turn == 0 ? ".gate_proj.weight" : ".up_proj.weight"));
            REQUIRE(found != nullptr);
            CHECK(found->type == eo::dtype::mxfp4);
            CHECK(found->shape == std::vector<std::size_t>{2, 32});
            const std::vector<float> numbers = fused_values(*found);
            for (std::size_t i = 0; i < 64; ++i) {
                const std::size_t row = expert * 4 + i / 32 * 2 + turn;
                const int code = std::to_integer<int>(blocks[row * 16 + i % 32 / 2]) >> (i % 2 * 4) & 15;
                const float exact = std::ldexp(values[code % 8], std::to_integer<int>(scales[row]) - 127);
                CHECK(numbers[i] == (code < 8 ? exact : -exact));
            }
        }
    }
    CHECK(from.has_blocks());
    CHECK(from.lossless_format() == "bf16");  // which holds them exactly
    // Codes and scales are part of what a model is.
    const std::string before = from.fingerprint();
    blocks[70] ^= std::byte{1};
    CHECK(fused_folder(content()).open().fingerprint() != before);
    blocks[70] ^= std::byte{1};
    CHECK(fused_folder(content()).open().fingerprint() == before);
    scales[5] ^= std::byte{1};
    CHECK(fused_folder(content()).open().fingerprint() != before);
}

TEST_CASE("experts whose tensors do not fit together are refused", "[io][hugging_face][gpt_oss][errors]") {
    const std::vector<std::byte> some(128);
    const std::vector<float> numbers(24);
    const std::string gate = fused_experts + "0.gate_proj.weight";
    const auto blocks = fused_codes(fused_experts + "gate_up_proj_blocks", {2, 4, 1, 16}, some);
    CHECK(fused_folder({blocks}).finding(gate) == thrown(errc::missing_tensor, {"gate_up_proj_scales", "is missing"}));
    CHECK(fused_folder({blocks, fused_codes(fused_experts + "gate_up_proj_scales", {2, 2, 2},
                                            std::vector<std::byte>(some.begin(), some.begin() + 8))})
              .finding(gate) == thrown(errc::wrong_shape, {"gate_up_proj_scales", "[2, 4, 1]", "[2, 2, 2]"}));
    CHECK(fused_folder({blocks, fused_floats(fused_experts + "gate_up_proj_scales", {24}, numbers)}).finding(gate) ==
          thrown(errc::unsupported, {"gate_up_proj_scales", "U8"}));
    CHECK(fused_folder({blocks, fused_floats(fused_experts + "gate_up_proj", {2, 3, 4}, numbers)}).finding(gate) ==
          thrown(errc::malformed_file, {"gate_up_proj'", "gate_up_proj_blocks'", "both"}));
    CHECK(fused_folder({fused_codes(fused_experts + "gate_up_proj_blocks", {2, 4, 2, 8}, some),
                        fused_codes(fused_experts + "gate_up_proj_scales", {128}, some)})
              .finding(gate) == thrown(errc::wrong_shape, {"gate_up_proj_blocks", "16]", "[2, 4, 2, 8]"}));
    CHECK(fused_folder({fused_floats(fused_experts + "gate_up_proj", {6, 4}, numbers)}).finding(gate) ==
          thrown(errc::wrong_shape, {"gate_up_proj'", "[experts, in, out]", "[6, 4]"}));
    CHECK(fused_folder({fused_floats(fused_experts + "gate_up_proj", {2, 4, 3}, numbers)}).finding(gate) ==
          thrown(errc::wrong_shape, {"gate_up_proj'", "[2, 4, 3]"}));  // no whole pairs
}
