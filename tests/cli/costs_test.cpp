// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using support::earlyout_command;

namespace {

std::string copy_of_model(const support::temporary_folder& folder) {
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "exits.safetensors"}) {
        std::filesystem::copy_file(std::string(EARLYOUT_EXAMPLE_MODEL "/") + name, folder / name);
    }
    return folder.path().string();
}

}  // namespace

TEST_CASE("costs are measured, and the fastest of what fit found is named", "[cli][costs]") {
    const auto r = earlyout_command({"costs", "--threads", "1", "--seconds", "0.05", "--max-loss", "0.05", "--json"});
    INFO(r);
    REQUIRE(r.status == 0);
    CHECK(r.err.empty());
    const auto j = r.json();
    CHECK(j.at("costs").at("threads") == 1);
    CHECK(j.at("costs").at("layer").size() == 8);
    CHECK(j.at("costs").at("layer").at(0) > 0.0);
    CHECK(j.at("costs").at("gates").contains("agreement"));
    CHECK(j.at("blocks").at(0) == 1.0);
    REQUIRE(j.at("front").size() >= 3);
    std::string fastest = "full-depth";
    double speedup = 1.0;
    for (const auto& p : j.at("front")) {
        CHECK(p.at("rouge_l_loss_high") <= 0.05);
        if (p.at("speedup") > speedup) {
            speedup = p.at("speedup");
            fastest = p.at("policy");
        }
    }
    CHECK(j.at("policy") == fastest);
    const auto none = earlyout_command({"costs", "--seconds", "0", "--max-loss", "0", "--json"});
    CHECK(none.json().at("policy") == "full-depth");
    const auto text = earlyout_command({"costs", "--seconds", "0"});
    for (const char* word : {"a layer", "the output", "tokens together", "margin", "chosen"}) {
        INFO(word);
        CHECK(text.out.find(word) != std::string::npos);
    }
}

TEST_CASE("stored costs spare the next measurement", "[cli][costs]") {
    const support::temporary_folder folder;
    const std::string model = copy_of_model(folder);
    const auto complete = [&](const char* threads) {
        return earlyout_command({"complete", "--model", model, "--prompt", "import ", "--max-new-tokens", "4",
                                 "--threads", threads, "--dtype", "int8", "--json"})
            .json();
    };
    CHECK(complete("1").at("policy_from") == "machine");  // fitted in another format
    const auto stored = earlyout_command({"costs", "--model", model, "--threads", "1", "--dtype", "int8", "--seconds",
                                          "0.05", "--max-loss", "0.05", "--store", "--json"});
    INFO(stored);
    REQUIRE(stored.status == 0);
    const auto here = complete("1");
    CHECK(here.at("policy_from") == "fit");
    if (stored.json().at("policy") != "full-depth") CHECK(here.at("policy") == stored.json().at("policy"));
    CHECK(complete("2").at("policy_from") == "machine");

    const support::temporary_folder plain;
    const std::string without = copy_of_model(plain);
    std::filesystem::remove(plain / "exits.safetensors");
    CHECK(earlyout_command({"costs", "--model", without, "--seconds", "0"}).status == 0);
    CHECK(earlyout_command({"costs", "--model", without, "--seconds", "0", "--store"})
              .refused(1, {"--store", "found none"}));
}
