// SPDX-License-Identifier: MIT
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/hugging_face_text.hpp>
#include <earlyout/io/safetensors_writer.hpp>

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
