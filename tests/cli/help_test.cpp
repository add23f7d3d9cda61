// SPDX-License-Identifier: MIT
#include "cli/help.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>

#include "cli/command.hpp"
#include "support/catch.hpp"

using support::earlyout_command;

namespace {

std::size_t longest_line(const std::string& help) {
    std::istringstream lines(help);
    std::size_t longest = 0;
    for (std::string line; std::getline(lines, line);) longest = std::max(longest, line.size());
    return longest;
}

}  // namespace

TEST_CASE("texts are broken between words, and behind commas where a word is longer than a line", "[cli][help]") {
    CHECK(cli::wrapped("one two three", 20, 0) == "one two three");
    CHECK(cli::wrapped("one two three", 7, 0) == "one two\nthree");
    CHECK(cli::wrapped("one two three", 9, 2) == "one two\n  three");
    CHECK(cli::wrapped("a {bb,cc,dd} e", 7, 0) == "a {bb,\ncc,dd}\ne");
    CHECK(cli::wrapped("indivisible word", 4, 0) == "indivisible\nword");
    CHECK(cli::wrapped("", 4, 0).empty());
    CHECK(cli::wrapped_column("one two three", 9, 2) == "one two\n  three");
    CHECK(cli::wrapped_column("one two three", 8, 2) == "one\n  two\n  three");
}

TEST_CASE("help fits the terminal and has examples", "[cli][help]") {
    const char* const before = std::getenv("COLUMNS");
    const std::string columns = before == nullptr ? "" : before;
    for (const char* name :
         {"complete", "logits", "tokenize", "detokenize", "inspect", "bench", "quantize", "fit", "evaluate"}) {
        for (const char* width : {"80", "60", "100"}) {
            ::setenv("COLUMNS", width, 1);
            const auto help = earlyout_command({name, "--help"});
            CAPTURE(name, width, help.out);
            CHECK(help.status == 0);
            // Examples are to be copied: they keep their lines, of 80 characters.
            CHECK(longest_line(help.out.substr(0, help.out.find("Examples:"))) <= std::stoul(width));
            CHECK(longest_line(help.out) <= 80 + (std::stoul(width) > 80 ? 20 : 0));
            CHECK(help.out.find("  earlyout " + std::string(name)) != std::string::npos);
        }
    }
    ::setenv("COLUMNS", "1000", 1);
    CHECK(longest_line(earlyout_command({"complete", "--help"}).out) <= 110);
    ::unsetenv("COLUMNS");
    CHECK(longest_line(earlyout_command({"--help"}).out) <= 80);  // into a file
    if (before != nullptr) ::setenv("COLUMNS", columns.c_str(), 1);
}
