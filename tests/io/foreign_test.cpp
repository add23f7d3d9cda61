// SPDX-License-Identifier: MIT
// Each reader reports what a path that is not a model is.
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/gguf.hpp"
#include "support/golden.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::thrown;

namespace {

using namespace std::string_view_literals;

struct kind {
    std::string_view bytes;
    std::string_view words;
};

const kind foreign[] = {
    {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 988097824\n", "Git LFS pointer"},
    {"/annex/objects/MD5-s1--00", "git-annex pointer"},
    {"", "an empty file"},
    {"  \n", "white space"},
    {"<!DOCTYPE html><html></html>", "an HTML page"},
    {"\xef\xbb\xbf\n<HTML>", "an HTML page"},
    {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "an XML page"},
    {"Entry not found", "failed download: 'Entry not found'"},
    {"PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\0\0archive/data.pkl"sv, "PyTorch file"},
    {"PK\3\4 and so on"sv, "a zip archive"},
    {"\x80\2\x8a\nl"sv, "pickled PyTorch"},
    {"\x89HDF\r\n\x1a\n", "HDF5"},
    {"tjgg\3\0\0\0"sv, "before GGUF"},
    {"\x1f\x8b\10\0"sv, "gzip"},
    {"\x7f"
     "ELF\2\1\1",
     "ELF"},
    {"\0\0\0\0\0\0\0\0\0\0\0\0"sv, "nothing but zeros"},
};

auto load_error(const std::filesystem::path& path) {
    return error_of([&] { (void)eo::io::load<eo::any_model>(path, eo::any_format::as_stored()); });
}

}  // namespace

TEST_CASE("each reader identifies the file it was given instead of its own format", "[io][errors]") {
    const support::temporary_folder folder;
    folder.copy(support::golden_folder("llama_gqa"));
    for (const char* name : {"model.safetensors", "config.json", "tokenizer.json", "model.gguf",
                             "generation_config.json", "model.packed", "model.bin"}) {
        const bool before = std::filesystem::exists(folder / name);
        const std::string good = before ? folder.read(name) : std::string();
        const bool whole =
            std::string_view(name).starts_with("model.") && !std::string_view(name).ends_with(".safetensors");
        for (const kind& k : foreign) {
            INFO(name << ": " << k.words);
            folder.write(name, k.bytes);
            CHECK(load_error(whole ? folder / name : folder.path()) == thrown(errc::malformed_file, {name, k.words}));
        }
        folder.write(name, good);
        if (!before) std::filesystem::remove(folder / name);
    }
    CHECK(load_error(folder.path()).code == "none");
    folder.write("config.json", "{\"error\":\"Repository not found\"}");
    CHECK(load_error(folder.path()) == thrown(errc::malformed_file, {"config.json", "Repository not found"}));
}

TEST_CASE("each reader names another's format", "[io][errors]") {
    const support::temporary_folder folder;
    folder.copy(support::golden_folder("llama_gqa"));
    const std::string weights = folder.read("model.safetensors"), config = folder.read("config.json");
    folder.write("model.safetensors", "GGUF\3\0\0\0"sv);
    CHECK(load_error(folder.path()) == thrown(errc::malformed_file, {"model.safetensors", "a GGUF file"}));
    folder.write("model.safetensors", config);
    CHECK(load_error(folder.path()) == thrown(errc::malformed_file, {"model.safetensors", "a JSON file"}));
    folder.write("model.safetensors", weights);
    folder.write("config.json", weights);
    CHECK(load_error(folder.path()) == thrown(errc::malformed_file, {"config.json", "a safetensors file"}));
}

TEST_CASE("for a part of a model's folder the error names the folder", "[io][errors]") {
    const support::temporary_folder folder;
    folder.copy(support::golden_folder("llama_gqa"));
    folder.write("tokenizer.json", "{}");
    folder.write("README.txt", "a model");
    for (const char* name : {"model.safetensors", "config.json", "tokenizer.json", "README.txt"}) {
        INFO(name);
        CHECK(load_error(folder / name) == thrown(errc::unsupported, {name, "give the folder that holds it"}));
        CHECK(error_of([&] { (void)eo::io::open_checkpoint(folder / name); }).message ==
              load_error(folder / name).message);
    }
    CHECK(load_error(EARLYOUT_EXAMPLE_MODEL "/exits.safetensors") == thrown(errc::unsupported, {"exits"}));
}

TEST_CASE("names of public repositories are not downloaded", "[io][errors]") {
    for (const char* name : {"Qwen/Qwen2.5-Coder-0.5B", "gpt2-medium", "https://huggingface.co/Qwen/Qwen3-0.6B"}) {
        CHECK(load_error(name) == thrown(errc::no_such_file, {name, "nothing is downloaded"}));
    }
    CHECK(load_error("/no/such/model").message.find("downloaded") == std::string::npos);
}

TEST_CASE("the error for a folder without a model names its contents", "[io][errors]") {
    const auto with = [](const std::vector<std::string>& files) {
        const support::temporary_folder folder;
        for (const std::string& file : files) {
            std::filesystem::create_directories((folder / file).parent_path());
            folder.write(file, "{\"model_type\":\"llama\"}");
        }
        return load_error(folder.path());
    };
    CHECK(with({}) == thrown(errc::no_such_file, {"config.json", "no such file"}));
    CHECK(with({"b.gguf", "a.gguf"}) == thrown(errc::no_such_file, {"a.gguf is there", "give that file"}));
    CHECK(with({"snapshots/0123/config.json"}) == thrown(errc::no_such_file, {"download cache", "snapshots/"}));
    CHECK(with({"model/config.json"}) == thrown(errc::no_such_file, {"model/config.json", "give that folder"}));
    CHECK(with({"adapter_config.json"}) == thrown(errc::no_such_file, {"LoRA"}));
    CHECK(with({"config.json", "pytorch_model.bin"}) == thrown(errc::no_such_file, {"pytorch_model.bin", "convert"}));
    CHECK(with({"config.json", "model-00001-of-00002.safetensors"}) ==
          thrown(errc::no_such_file, {"model-00001-of-00002.safetensors", "index"}));
    const support::temporary_folder folder;
    folder.copy(support::golden_folder("llama_gqa"));
    std::filesystem::remove(folder / "model.safetensors");
    std::filesystem::create_symlink("../blobs/0123", folder / "model.safetensors");
    CHECK(load_error(folder.path()) == thrown(errc::no_such_file, {"model.safetensors", "a link to a missing file"}));
}

TEST_CASE("parts of a split model are recognised", "[io][errors]") {
    const support::temporary_folder folder;
    folder.copy(support::golden_folder("sharded_bf16"));
    std::filesystem::remove(folder / "model-00002-of-00002.safetensors");
    CHECK(load_error(folder.path()) ==
          thrown(errc::no_such_file, {"model-00002-of-00002.safetensors", "index.json names it", "1 of 2 shards"}));
    support::gguf_builder second;  // has no architecture: that is in the first
    second.set("split.count", 3u).set("split.no", 1u);
    folder.write("m-00002-of-00003.gguf", second.bytes());
    CHECK(load_error(folder / "m-00002-of-00003.gguf") == thrown(errc::no_such_file, {"m-00001-of-00003.gguf"}));
}

TEST_CASE("truncated files are reported as such", "[io][errors]") {
    const support::temporary_folder folder;
    folder.copy(support::golden_folder("llama_gqa"));
    const std::string weights = folder.read("model.safetensors");
    for (const std::size_t size : {std::size_t{100}, weights.size() / 2, weights.size() - 1}) {
        folder.write("model.safetensors", weights.substr(0, size));
        CHECK(load_error(folder.path()) == thrown(errc::malformed_file, {"model.safetensors", "truncated"}));
    }
    folder.write("model.safetensors", weights);
    const std::string config = folder.read("config.json");
    folder.write("config.json", config.substr(0, config.size() / 2));
    CHECK(load_error(folder.path()) == thrown(errc::malformed_file, {"config.json", "truncated"}));
}
