// SPDX-License-Identifier: MIT
#include <earlyout/io/tokenizer_file.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

using earlyout::errc;
using earlyout::io::load_tokenizer;
using support::error_of;
using support::thrown;

TEST_CASE("a tokenizer.json is read from its file", "[io][tokenizer]") {
    const auto words = load_tokenizer(EARLYOUT_EXAMPLE_MODEL "/tokenizer.json");
    CHECK(words.size() > 256);
    CHECK(words.decode(words.encode("a few words")) == "a few words");
    const support::temporary_folder folder;
    const std::string path = (folder / "tokenizer.json").string();
    CHECK(error_of([&] { (void)load_tokenizer(path); }) == thrown(errc::no_such_file, {path}));
    folder.write("tokenizer.json", "{}");
    CHECK(error_of([&] { (void)load_tokenizer(path); }) == thrown(errc::malformed_file, {path}));
}
