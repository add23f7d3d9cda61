// SPDX-License-Identifier: MIT
#include "cli/closest.hpp"

#include <string>
#include <vector>

#include "cli/command.hpp"
#include "support/catch.hpp"

using support::earlyout_command;

TEST_CASE("the edit distance counts characters, and swaps as one", "[cli][closest]") {
    CHECK(cli::edit_distance("", "") == 0);
    CHECK(cli::edit_distance("", "abc") == 3);
    CHECK(cli::edit_distance("abc", "") == 3);
    CHECK(cli::edit_distance("margin", "margin") == 0);
    CHECK(cli::edit_distance("margn", "margin") == 1);
    CHECK(cli::edit_distance("compelte", "complete") == 1);
    CHECK(cli::edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("only a name that is close is suggested", "[cli][closest]") {
    const std::vector<std::string> names{"complete", "compare", "evaluate", "fit"};
    CHECK(cli::closest("compelte", names) == "complete");
    CHECK(cli::closest("fti", names) == "fit");
    CHECK(cli::closest("eval", names) == "evaluate");
    CHECK(cli::closest("nonsense", names).empty());
    CHECK(cli::closest("comp", names).empty());  // two begin so
    CHECK(cli::closest("", names).empty());
    CHECK(cli::did_you_mean("evalute", names) == "; did you mean evaluate?");
    CHECK(cli::did_you_mean("x", names).empty());
}

TEST_CASE("mistyped names are answered with the one that was meant", "[cli][errors]") {
    const auto suggests = [](std::vector<std::string> arguments, const std::string& name, int status = 2) {
        const auto result = earlyout_command(arguments);
        CAPTURE(arguments, result);
        CHECK(result.refused(status, {"did you mean " + name + "?"}));
    };
    suggests({"compelte", "--prompt", "a"}, "complete");
    suggests({"complete", "--promt", "a"}, "--prompt");
    suggests({"complete", "--prompt", "a", "--max-new-token=3"}, "--max-new-tokens");
    suggests({"complete", "--prompt", "a", "--exit-gate", "margn"}, "margin");
    suggests({"complete", "--prompt", "a", "--policy", "margn(0.5) @ 2"}, "margin");
    suggests({"complete", "--prompt", "a", "--dtype", "b16"}, "bf16");
    suggests({"evaluate", "--text", "a", "--gates", "margin,entrpy"}, "entropy");
    const support::temporary_folder folder;
    std::filesystem::create_directory(folder / "my-model");
    suggests({"inspect", "--model", (folder / "my-modle").string()}, (folder / "my-model").string(), 1);
    CHECK(earlyout_command({"nonsense"}).err.find("did you mean") == std::string::npos);
}
