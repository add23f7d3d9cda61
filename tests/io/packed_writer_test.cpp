// SPDX-License-Identifier: MIT
#include <earlyout/io/packed_writer.hpp>

#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>
#include <earlyout/models/gpt2.hpp>

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;

TEST_CASE("a network that was read and one that is read for it give the same packed file", "[io][packed_writer]") {
    const support::temporary_folder folder;
    const auto from = eo::io::open_checkpoint(EARLYOUT_EXAMPLE_MODEL);
    const eo::any_format format("int8");
    const auto network = eo::any_model::from_checkpoint(*from, format, format);
    const std::size_t bytes = eo::io::write_packed(folder / "a", *from, network);
    CHECK(eo::io::write_packed<eo::any_model>(folder / "b", EARLYOUT_EXAMPLE_MODEL, format, format) == bytes);
    CHECK(folder.read("a").size() == bytes);
    CHECK(folder.read("a") == folder.read("b"));
    CHECK(support::error_of([&] {
              (void)eo::io::write_packed<eo::any_model>(folder / "c", folder / "a", format, format);
          }) == support::thrown(eo::errc::unsupported, {"found a packed file"}));
}

TEST_CASE("a packed file keeps the tokenizer of a folder with vocab.json and merges.txt", "[io][packed_writer]") {
    const support::temporary_folder folder;
    folder.copy(EARLYOUT_EXAMPLE_MODEL);
    const auto tokenizer = nlohmann::json::parse(folder.read("tokenizer.json"));
    std::string merges = "#version: 0.2\n";
    for (const std::string merge : tokenizer["model"]["merges"]) merges += merge + '\n';
    folder.write("vocab.json", tokenizer["model"]["vocab"].dump());
    folder.write("merges.txt", merges);
    std::filesystem::remove(folder / "tokenizer.json");
    const eo::any_format format("int8");
    (void)eo::io::write_packed<eo::any_model>(folder / "packed", folder.path(), format, format);
    const auto packed = eo::io::load<eo::any_model>(folder / "packed", format);
    const auto whole = eo::io::load<eo::any_model>(EARLYOUT_EXAMPLE_MODEL, format);
    for (const char* text : {"def f(x):\n\treturn x  +1234<|endoftext|>\r\n", "na\xc3\xafve \xe2\x82\xac it's", " "}) {
        CHECK(packed.tokenizer().encode(text) == whole.tokenizer().encode(text));
    }
    CHECK(packed.generation().eos_token_ids == whole.generation().eos_token_ids);
}
