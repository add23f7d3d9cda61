// SPDX-License-Identifier: MIT
#include <earlyout/io/model_files.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;

namespace {

std::string names_of(const std::filesystem::path& model) {
    std::string made;
    for (const eo::io::model_file& file : eo::io::model_files(model)) {
        made += file.path.filename().string() + ":" + std::to_string(file.bytes) + " ";
        CHECK(file.modified != 0);
    }
    return made;
}

}  // namespace

TEST_CASE("the files of a model", "[io][model_files]") {
    const support::temporary_folder folder;
    for (const char* name : {"model.safetensors", "config.json", "exits.safetensors", "README.md", "merges.txt"}) {
        folder.write(name, name);
    }
    CHECK(names_of(folder.path()) == "config.json:11 merges.txt:10 model.safetensors:17 ");
    folder.write("m-00001-of-00002.gguf", "a");
    folder.write("m-00002-of-00002.gguf", "bc");
    for (const char* part : {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}) {
        CHECK(names_of(folder / part) == "m-00001-of-00002.gguf:1 m-00002-of-00002.gguf:2 ");
    }
    folder.write("m-00003-of-00002.gguf", "def");  // not a part
    CHECK(names_of(folder / "m-00003-of-00002.gguf") == "m-00003-of-00002.gguf:3 ");
    CHECK(names_of(folder / "nothing").empty());
}
