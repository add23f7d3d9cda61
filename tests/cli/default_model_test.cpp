// SPDX-License-Identifier: MIT
#include "cli/default_model.hpp"

#include <filesystem>

#include "cli/command.hpp"
#include "support/catch.hpp"

namespace fs = std::filesystem;

TEST_CASE("the bundled model is found from where the executable is", "[cli][default_model]") {
    const support::temporary_folder folder;
    for (const char* name :
         {"clone/build/release/examples", "clone/examples/model", "old/model", "bin/model", "share/earlyout/model"}) {
        fs::create_directories(folder / name);
    }
    const fs::path built = folder / "clone/build/release/examples/earlyout";
    const fs::path baked = folder / "old/model";
    CHECK(cli::default_model(built, baked).empty());  // folders without a model
    folder.write("old/model/config.json", "{}");
    CHECK(cli::default_model(built, baked) == baked);
    // A copy of the clone takes its own, also while the first is still there.
    folder.write("clone/examples/model/config.json", "{}");
    CHECK(cli::default_model(built, baked) == folder / "clone/examples/model");
    folder.write("share/earlyout/model/config.json", "{}");
    CHECK(cli::default_model(folder / "bin/earlyout", baked) == folder / "share/earlyout/model");
    folder.write("bin/model/config.json", "{}");
    CHECK(cli::default_model(folder / "bin/earlyout", baked) == folder / "bin/model");
    CHECK(cli::default_model({}, folder / "nowhere").empty());
}

TEST_CASE("a moved command finds the model in its own tree", "[cli][default_model]") {
    const support::temporary_folder folder;
    fs::create_directories(folder / "clone/build/examples");
    fs::create_directories(folder / "clone/examples/model");
    fs::copy(EARLYOUT_TEST_DATA "/gpt2/tiny", folder / "clone/examples/model");
    fs::copy_file(EARLYOUT_COMMAND, folder / "clone/build/examples/earlyout");
    const auto r = support::run_program((folder / "clone/build/examples/earlyout").string(), {"inspect", "--json"});
    REQUIRE(r.status == 0);
    CHECK(fs::equivalent(r.json().at("model").get<std::string>(), folder / "clone/examples/model"));
}
