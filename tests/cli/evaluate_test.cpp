// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using support::earlyout_command;

namespace {

// Python that the model was not trained on: its own recipe.
const std::string text = EARLYOUT_EXAMPLE_MODEL "/recipe";

std::vector<std::string> evaluate(std::vector<std::string> more) {
    std::vector<std::string> all{"evaluate", "--text",           text, "--samples", "4", "--tokens",
                                 "3000",     "--max-new-tokens", "4"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

}  // namespace

TEST_CASE("evaluate says what every policy is worth", "[cli][evaluate]") {
    const support::temporary_folder folder;
    const std::string csv = (folder / "table.csv").string();
    const auto r = earlyout_command(
        evaluate({"--gates", "fixed,margin", "--thresholds", "2,0", "--exit-layers", "2", "--csv", csv, "--json"}));
    INFO(r);
    REQUIRE(r.status == 0);
    const auto j = r.json();
    CHECK(j["samples"] == 4);
    CHECK(j["texts"].get<int>() >= 1);
    const auto& oracle = j["oracle"];
    REQUIRE(oracle["exits"].size() == 8);
    double shares = oracle["never_right"];
    for (const auto& exit : oracle["exits"]) shares += exit["first_right"].get<double>();
    CHECK(std::abs(shares - 1.0) < 1e-9);
    CHECK(oracle["exits"][7]["agrees"] == 1.0);

    REQUIRE(j["sweep"].size() == 6);  // fixed, two margins, each with two cache policies
    for (const auto& row : j["sweep"]) {
        const auto& config = row["config"];
        CHECK(config["layers"] == std::vector<int>{2});
        const bool leaves = config["gate"] == "fixed" || config["threshold"] == 0.0;
        // The first of four tokens is at full depth: 1 - (8 + 3 * 2) / (4 * 8).
        if (leaves) CHECK(row["layers_skipped"] == 0.5625);
        if (!leaves) {
            CHECK(row["layers_skipped"] == 0.0);
            CHECK(row["agreement"] == 1.0);
            CHECK(row["rouge_l_loss"] == 0.0);
        }
        CHECK(row["stops"] == 0);
        CHECK(row["decode_speedup"].get<double>() > 0.0);
        CHECK(row["early_exit"]["exit_histogram"].size() == 9);
    }
    for (const char* loss : {"0", "0.011", "0.03", "0.05"}) {
        const auto& best = j["best_at_loss"][loss];
        CHECK(best["rouge_l_loss"].get<double>() <= std::stod(loss));
        CHECK(best["decode_speedup"].get<double>() >= 1.0);
        CHECK(best.contains("layers_skipped"));
        CHECK(best["stops"] == 0);
        CHECK(best["config"].contains("gate"));
    }
    const std::string table = folder.read("table.csv");
    CHECK(table.starts_with("policy,layers_skipped,"));
    CHECK(std::count(table.begin(), table.end(), '\n') == 7);
}

TEST_CASE("evaluate prints a table", "[cli][evaluate]") {
    const auto r = earlyout_command(evaluate({"--gates", "fixed", "--exit-layers", "7", "--kv", "propagate"}));
    INFO(r);
    CHECK(r.status == 0);
    for (const char* part :
         {"Every exit on the true text", "fixed after layer 7, propagate", "Fastest without stops"}) {
        CHECK(r.out.find(part) != std::string::npos);
    }
}

TEST_CASE("evaluate refuses what it cannot measure, before it measures", "[cli][evaluate]") {
    CHECK(earlyout_command({"evaluate"}).refused(2, {"--text"}));
    CHECK(earlyout_command({"evaluate", "--text", "nowhere"}).refused(1, {"nowhere", "no such file"}));
    CHECK(earlyout_command(evaluate({"--exits", "nowhere.safetensors"})).refused(1, {"nowhere.safetensors"}));
    CHECK(earlyout_command(evaluate({"--gates", "margin", "--exit-layers", "9"})).refused(1, {"1 .. 8", "found 9"}));
    CHECK(earlyout_command(evaluate({"--gates", "sec", "--dtype", "int4"})).refused(1, {"int4", "fit"}));
    CHECK(earlyout_command(evaluate({"--sample-tokens", "5"})).refused(2, {"at least 6", "found 5"}));
}
