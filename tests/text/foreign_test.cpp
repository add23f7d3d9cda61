// SPDX-License-Identifier: MIT
// tests/io/foreign_test.cpp tests each reader's messages.
#include <earlyout/text/foreign.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace text = earlyout::text;
using text::content;
using text::foreign_content;

TEST_CASE("a known kind of file is distinguished from the expected one", "[text][foreign]") {
    CHECK(foreign_content("GGUF\3", content::gguf).empty());
    CHECK(foreign_content("GGUF\3", content::json) == "a GGUF file");
    CHECK(foreign_content(std::string("\10\0\0\0\0\0\0\0{", 9), content::safetensors).empty());
    CHECK(foreign_content(std::string("\10\0\0\0\0\0\0\0{", 9), content::gguf) == "a safetensors file");
    CHECK(foreign_content("{\"a\": 1}", content::json).empty());
    CHECK(foreign_content("{\"a\": 1}", content::gguf) == "a JSON file");
    CHECK(foreign_content("what nobody knows", content::gguf).empty());
    CHECK(foreign_content("", content::json) == "an empty file");
    CHECK(support::error_of([] { text::refuse_foreign("%PDF-1.5", content::json, "here", "JSON"); }) ==
          support::thrown(earlyout::errc::malformed_file, {"here: expected JSON, found a PDF file"}));
}
