// SPDX-License-Identifier: MIT
#include <earlyout/io/packed_checkpoint.hpp>
#include <earlyout/io/packed_writer.hpp>
#include <earlyout/io/safetensors_writer.hpp>
#include <earlyout/models/any_model.hpp>
#include <earlyout/models/gpt2.hpp>
#include <earlyout/text/json.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/forward_pass.hpp"
#include "support/golden.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::thrown;

namespace {

template <class Network>
std::vector<float> last_logits(const Network& network) {
    const std::vector<eo::token_id> text{3, 1, 4, 1, 5, 9, 2, 6};
    support::forward_pass pass(network, text, 8);
    pass.run(1, network.shape().layers, 0, text.size());
    return pass.logits(text.size() - 1);
}

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

void write(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

}  // namespace

TEST_CASE("a packed file computes the same bits as its source", "[io][packed]") {
    const support::temporary_folder folder;
    const std::filesystem::path packed = folder / "model.packed";
    for (const char* name : {"sharded_bf16", "odd_untied", "llama_gqa", "qwen3", "codegen", "starcoder2", "granite",
                             "smollm3", "phi3_longrope", "gpt_neox", "gpt_bigcode", "phi", "gemma2",
                             "gemma3_rope_parameters", "olmo2", "mixtral", "qwen2_moe", "qwen3_moe_sparse", "olmoe"}) {
        for (const eo::any_format format : {eo::any_format(eo::f32{}), eo::any_format(eo::bf16{}),
                                            eo::any_format(eo::int8{}), eo::any_format(eo::int4{})}) {
            INFO(name << " in " << format.name());
            const auto source = support::golden_folder(name);
            eo::io::write_packed<eo::any_model>(packed, source, format, eo::int8{});
            const auto from_folder = eo::io::load<eo::any_model>(source, format, eo::int8{});
            const auto from_packed = eo::io::load<eo::any_model>(packed, eo::any_format::as_stored());
            CHECK(support::same_bits(last_logits(from_folder.network()), last_logits(from_packed.network())));
            CHECK(from_packed.network().weight_format() == from_folder.network().weight_format());
            CHECK(from_packed.network().tied() == from_folder.network().tied());
            const eo::io::packed_checkpoint file(packed);
            CHECK(file.fingerprint() == eo::io::hugging_face_checkpoint(source).fingerprint());
        }
    }
}

TEST_CASE("a packed file keeps gpt-oss's experts as they are stored", "[io][packed][gpt_oss]") {
    const support::temporary_folder folder;
    const std::filesystem::path packed = folder / "model.packed";
    const auto stored = eo::any_format::as_stored();
    for (const char* name : {"gpt_oss", "gpt_oss_mxfp4"}) {
        const auto source = support::golden_folder(name);
        eo::io::write_packed<eo::any_model>(packed, source, stored, stored);
        const auto from_folder = eo::io::load<eo::any_model>(source, stored);
        const auto from_packed = eo::io::load<eo::any_model>(packed, stored);
        CHECK(support::same_bits(last_logits(from_folder.network()), last_logits(from_packed.network())));
        CHECK(from_packed.network().stored_bytes(1) == from_folder.network().stored_bytes(1));
        const eo::io::packed_checkpoint file(packed);
        CHECK(file.fingerprint() == eo::io::hugging_face_checkpoint(source).fingerprint());
        CHECK(file.lossless_format() == "bf16");
    }
}

TEST_CASE("an architecture known at compile time reads a packed file in its format", "[io][packed]") {
    const support::temporary_folder folder;
    const std::filesystem::path packed = folder / "model.packed";
    const auto source = support::golden_folder("odd_untied");
    eo::io::write_packed<eo::gpt2<eo::int8>>(packed, source, {}, {});
    CHECK(support::same_bits(last_logits(eo::io::load<eo::gpt2<eo::int8>>(source).network()),
                             last_logits(eo::io::load<eo::gpt2<eo::int8>>(packed).network())));
    CHECK(error_of([&] { (void)eo::io::load<eo::gpt2<>>(packed); }) ==
          thrown(errc::mismatch, {"model.packed", "expected format f32", "found int8"}));
}

TEST_CASE("null values stay null", "[io][packed]") {
    const support::temporary_folder folder;
    const std::filesystem::path packed = folder / "model.packed";
    eo::io::write_packed<eo::any_model>(packed, support::golden_folder("mistral_no_window"), eo::any_format("f32"),
                                        eo::any_format("f32"));
    CHECK(eo::io::packed_checkpoint(packed).is_null("sliding_window"));
}

TEST_CASE("a packed file keeps tokenizer, end-of-text tokens and exits", "[io][packed]") {
    const support::temporary_folder folder;
    const std::filesystem::path packed = folder / "example.packed";
    eo::io::write_packed<eo::any_model>(packed, EARLYOUT_EXAMPLE_MODEL, eo::any_format("bf16"), eo::any_format("bf16"));
    std::filesystem::copy_file(std::filesystem::path(EARLYOUT_EXAMPLE_MODEL) / "exits.safetensors",
                               folder / "example.exits.safetensors");
    const auto original = eo::io::load<eo::any_model>(EARLYOUT_EXAMPLE_MODEL, eo::any_format("bf16"));
    const auto loaded = eo::io::load<eo::any_model>(packed, eo::any_format::as_stored());
    const std::string text = "def f(x):\n    return x";
    CHECK(loaded.tokenizer().encode(text) == original.tokenizer().encode(text));
    CHECK(loaded.generation().eos_token_ids == original.generation().eos_token_ids);
    CHECK(loaded.generation().bos_token_id == original.generation().bos_token_id);
    CHECK(loaded.generation().add_bos == original.generation().add_bos);
    CHECK(loaded.has_exits());
}

TEST_CASE("a packed file has no tensors that are larger than itself", "[io][packed][errors]") {
    const support::temporary_folder folder;
    const auto reading = [&](const std::string& shape, const std::string& type = "F32") {
        eo::io::write_safetensors(folder / "model.packed", std::span<const eo::io::tensor_to_write>(),
                                  {{"format", "earlyout-packed"},
                                   {"version", "1"},
                                   {"config", "{}"},
                                   {"tensors", "{\"w\":[\"" + type + "\"," + shape + "]}"},
                                   {"matrices", "{}"},
                                   {"generation", "{}"}});
        return error_of([&] { (void)eo::io::packed_checkpoint(folder / "model.packed"); });
    };
    CHECK(reading("[1099511627776,24]") == thrown(errc::malformed_file, {"model.packed", "'w'", "shape"}));
    CHECK(reading("[4294967296,4294967296]") == thrown(errc::malformed_file, {"'w'", "shape"}));
    CHECK(reading("[0]").code == "none");
    for (const char* type : {"Q8_0", "Q4_0", "Q4_K", "Q6_K"}) {
        CHECK(reading("[0,8]", type) == thrown(errc::malformed_file, {"'w'", "whole blocks", type, "[0, 8]"}));
        CHECK(reading("[0,256]", type).code == "none");
    }
}

TEST_CASE("a damaged packed file is refused by name", "[io][packed][errors]") {
    const support::temporary_folder folder;
    const std::filesystem::path packed = folder / "model.packed";
    eo::io::write_packed<eo::any_model>(packed, support::golden_folder("llama_gqa"), eo::any_format("int4"),
                                        eo::any_format("int4"));
    const std::string good = read(packed);
    const auto damaged = [&](const std::string& old_text, const std::string& new_text) {
        std::string bytes = good;
        const std::size_t at = bytes.find(old_text);
        REQUIRE(at != std::string::npos);
        REQUIRE(old_text.size() == new_text.size());
        write(packed, bytes.replace(at, old_text.size(), new_text));
        return error_of([&] { (void)eo::io::load<eo::any_model>(packed, eo::any_format::as_stored()); });
    };
    CHECK(damaged("earlyout-packed", "earlyout-exited") ==
          thrown(errc::unsupported, {"model.packed", "earlyout-packed"}));
    CHECK(damaged("\"version\":\"1\"", "\"version\":\"9\"") == thrown(errc::unsupported, {"version 1", "'9'"}));
    CHECK(damaged("[\\\"int4\\\",57,24]", "[\\\"int4\\\",57,25]") ==
          thrown(errc::wrong_shape, {"model.packed", "embed_tokens.weight", "[57, 24]", "[57, 25]"}));
    CHECK(damaged("[\\\"int4\\\",57,24]", "[\\\"int9\\\",57,24]") == thrown(errc::unsupported, {"int9"}));
    CHECK(damaged("\\\"hidden_size\\\"", "\\\"hidden_sise\\\"") ==
          thrown(errc::malformed_file, {"'hidden_size' is missing"}));
    CHECK(damaged("packed:model.layers.1", "packed:model.layers.7").code == "malformed_file");
    CHECK(damaged("\"model.norm.weight\":{", "\"model.norm.weighs\":{") ==
          thrown(errc::wrong_shape, {"model.packed", "'model.norm.weight'", "expected 0 elements"}));
    write(packed, good.substr(0, good.size() - 64));
    CHECK(error_of([&] { (void)eo::io::packed_checkpoint(packed); }).code == "malformed_file");
    // The old file is not lost when writing fails.
    write(packed, good);
    CHECK(error_of([&] {
              eo::io::write_packed<eo::any_model>(packed, folder / "nothing", eo::any_format(), eo::any_format());
          }).code == "no_such_file");
    CHECK(read(packed) == good);
    CHECK(error_of([&] {
              eo::io::write_packed<eo::any_model>(folder / "again", packed, eo::any_format(), eo::any_format());
          }) == thrown(errc::unsupported, {"packed file"}));
}

TEST_CASE("a table of blocks whose rows are not whole blocks is refused", "[io][packed][errors]") {
    const support::temporary_folder folder;
    const std::filesystem::path packed = folder / "model.packed";
    eo::io::write_packed<eo::any_model>(packed, support::golden_folder("qwen3"), eo::any_format("f32"),
                                        eo::any_format("f32"));
    const eo::io::safetensors_file file(packed);
    const std::string name = "model.embed_tokens.weight";
    auto metadata = file.contents().metadata();
    auto shapes = nlohmann::json::parse(metadata.at("tensors"));
    auto config = nlohmann::json::parse(metadata.at("config"));
    const std::size_t rows = shapes[name][1][0], width = shapes[name][1][1];
    REQUIRE(width % 32 != 0);
    // As many blocks as hold all elements of the table, though no row is whole blocks.
    config["tie_word_embeddings"] = false;
    shapes[name][0] = "Q8_0";
    shapes["lm_head.weight"] = {"F32", {rows, width}};
    metadata["tensors"] = shapes.dump();
    metadata["config"] = config.dump();
    const std::string blocks(rows * width / 32 * 34, '\1');
    std::vector<eo::io::tensor_to_write> tensors;
    for (const auto& [key, type] : file.contents().others()) {
        tensors.emplace_back(key, "U8", std::vector{file.contents().bytes(key)->size()}, *file.contents().bytes(key));
    }
    for (const auto& [key, view] : file.contents().tensors()) {
        if (key != name) tensors.emplace_back(view);
    }
    tensors.emplace_back("blocks:" + name, "U8", std::vector{blocks.size()}, std::as_bytes(std::span(blocks)));
    eo::io::write_safetensors(folder / "bad.packed", tensors, metadata);
    CHECK(error_of([&] { (void)eo::io::load<eo::any_model>(folder / "bad.packed", eo::any_format::as_stored()); }) ==
          thrown(errc::malformed_file, {"bad.packed", name, "whole blocks"}));
}

TEST_CASE("packed weights that are not finite are refused, as in any other file", "[io][packed][errors]") {
    const support::temporary_folder folder;
    const std::filesystem::path packed = folder / "model.packed";
    for (const char* format : {"f32", "bf16", "f16", "int8", "int4"}) {
        INFO(format);
        eo::io::write_packed<eo::any_model>(packed, support::golden_folder("llama_gqa"), eo::any_format(format),
                                            eo::any_format(format));
        const std::string good = read(packed);
        std::vector<std::size_t> at;  // where matrices begin: in groups, with a scale
        {
            const eo::io::safetensors_file file(packed);
            const std::size_t data = good.size() - file.contents().data_bytes();
            std::size_t begin = 0;
            for (const auto& [key, type] : file.contents().others()) {
                if (!key.starts_with("packed:")) continue;
                at.push_back(data + begin);
                begin += file.contents().bytes(key)->size();
            }
        }
        REQUIRE(at.size() > 2);
        for (const std::size_t begin : {at.front(), at.back()}) {
            for (const std::string& bits : {std::string("\0\0\xc0\x7f", 4), std::string("\0\0\x80\xff", 4)}) {
                const std::string two = std::string(format) == "f16" || std::string(format).starts_with("int")
                                            ? std::string("\0\x7c", 2)
                                        : std::string(format) == "bf16" ? bits.substr(2)
                                                                        : bits;
                std::string bad = good;
                write(packed, bad.replace(begin, two.size(), two));
                CHECK(error_of([&] { (void)eo::io::load<eo::any_model>(packed, eo::any_format::as_stored()); }) ==
                      thrown(errc::wrong_value, {"model.packed", "weight'", "finite"}));
            }
        }
    }
}

TEST_CASE("a packed file that was read into memory may be overwritten", "[io][packed]") {
    const support::temporary_folder folder;
    const std::filesystem::path packed = folder / "model.packed";
    eo::io::write_packed<eo::any_model>(packed, support::golden_folder("qwen3"), eo::any_format("int8"),
                                        eo::any_format("int8"));
    const auto mapped = eo::io::load<eo::any_model>(packed, eo::any_format::as_stored());
    const auto expected = last_logits(mapped.network());
    const auto copied = eo::io::load<eo::any_model>(packed, eo::any_format::as_stored(), eo::any_format::as_stored(),
                                                    {.access = eo::io::file_access::copied});
    CHECK(support::same_bits(last_logits(copied.network()), expected));
    eo::io::write_packed<eo::any_model>(packed, support::golden_folder("llama_gqa"), eo::any_format("int8"),
                                        eo::any_format("int8"));  // by rename: the mapped file is unchanged
    CHECK(support::same_bits(last_logits(mapped.network()), expected));
    write(packed, "");
    CHECK(support::same_bits(last_logits(copied.network()), expected));
}
