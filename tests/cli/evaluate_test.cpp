// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <string_view>
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

/// The element that is closed too early or not at all; empty when the markup is well-formed.
std::string unbalanced(std::string_view page) {
    std::vector<std::string> open;
    for (std::size_t at = 0; (at = page.find('<', at)) != std::string_view::npos; ++at) {
        const std::size_t end = page.find('>', at);
        if (end == std::string_view::npos) return "<";
        const std::string_view tag = page.substr(at + 1, end - at - 1);
        if (tag.starts_with('!') || tag.ends_with('/')) continue;
        if (std::ranges::count(tag, '"') % 2 != 0 || tag.find('<') != std::string_view::npos) return std::string(tag);
        if (!tag.starts_with('/')) {
            open.emplace_back(tag.substr(0, tag.find(' ')));
        } else if (open.empty() || open.back() != tag.substr(1)) {
            return std::string(tag);
        } else {
            open.pop_back();
        }
    }
    return open.empty() ? std::string() : open.back();
}

std::size_t count(std::string_view in, std::string_view what) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = in.find(what, at)) != std::string_view::npos; at += what.size()) ++found;
    return found;
}

}  // namespace

TEST_CASE("evaluate --quiet prints the table alone", "[cli][evaluate]") {
    const auto r = earlyout_command(evaluate({"--policy", "fixed @ 2", "--quiet"}));
    REQUIRE(r.status == 0);
    CHECK(r.err.empty());
    CHECK(std::ranges::count(r.out, '\n') == 2);
    CHECK(r.out.find("policy") < r.out.find("fixed @ 2"));
    CHECK(earlyout_command(evaluate({"--policy", "fixed @ 2"})).out.find("on 1 thread,") != std::string::npos);
}

TEST_CASE("evaluate --drafts measures drafts, whose texts are full depth's", "[cli][evaluate]") {
    const auto r =
        earlyout_command(evaluate({"--policy", "full-depth", "--drafts", "suffix,suffix|depth,auto", "--json"}));
    INFO(r);
    REQUIRE(r.status == 0);
    const auto drafts = r.json().at("drafts");
    REQUIRE(drafts.size() == 3);
    CHECK(drafts[0].at("draft") == "suffix");
    CHECK(drafts[1].at("draft") == "suffix|depth");
    for (const auto& d : drafts) {
        CHECK(d.at("samples") == 4);
        CHECK(d.at("identical") == 4);
        CHECK(d.at("decode_speedup") > 0.0);
        CHECK(d.at("tokens_per_round") >= 1.0);
        CHECK((d.at("accepted_share") >= 0.0 && d.at("accepted_share") <= 1.0));
    }
    CHECK(r.json().at("sweep").size() == 4);
    const auto all = earlyout_command(evaluate({"--policy", "full-depth", "--drafts", "--quiet"}));
    CHECK(std::ranges::count(all.out, '\n') == 7);  // a head, full depth, four drafters and auto
    CHECK(earlyout_command(evaluate({"--policy", "full-depth", "--drafts"})).out.find("4 of 4") != std::string::npos);
}

TEST_CASE("evaluate says what every policy is worth", "[cli][evaluate]") {
    const support::temporary_folder folder;
    const std::string csv = (folder / "table.csv").string();
    const auto r = earlyout_command(
        evaluate({"--gates", "fixed,margin", "--thresholds", "1,0", "--exit-layers", "2", "--csv", csv, "--json"}));
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

    CHECK(j["lacks"].is_null());
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
        REQUIRE(row["intervals"]["rouge_l_loss"].size() == 2);
        CHECK(row["intervals"]["rouge_l_loss"][0] <= row["rouge_l_loss"]);
        CHECK(row["intervals"]["rouge_l_loss"][1] >= row["rouge_l_loss"]);
        CHECK(row["intervals"]["stop_precision"].is_null());
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
    for (const auto& row : j["sweep"]) {
        // First at full depth, as an oracle need not be; so no simple bound holds.
        CHECK(std::abs(row["share_of_oracle"].get<double>() * oracle["layers_skipped"].get<double>() -
                       row["layers_skipped"].get<double>()) < 1e-9);
        if (row["layers_skipped"] == 0.0) CHECK(row["work_saved"] == 0.0);
    }
    CHECK(j["best_stop_at_precision"]["0.8"].is_null());  // nothing stopped
    REQUIRE(j["decisions"].size() == 5);                  // margin, probability, learn-to-exit, SEC's two
    for (const auto& d : j["decisions"]) {
        CAPTURE(d["gate"], d["decision"]);
        CHECK(d["thresholds"].size() >= 10);
        std::size_t deserved = 0;
        for (const auto& t : d["thresholds"]) {
            const double precision = t["precision"], recall = t["recall"], f1 = t["f1"];
            if (precision + recall > 0.0) CHECK(std::abs(f1 - 2 * precision * recall / (precision + recall)) < 1e-9);
            if (deserved != 0) CHECK(t["actual_positives"] == deserved);
            deserved = t["actual_positives"];
        }
        // A margin is never below 0: at that threshold all is said.
        if (d["gate"] == "margin") CHECK(d["thresholds"][0]["recall"] == 1.0);
    }
    const std::string table = folder.read("table.csv");
    CHECK(table.starts_with("policy,layers_skipped,"));
    CHECK(std::count(table.begin(), table.end(), '\n') == 7);
}

TEST_CASE("evaluate says what so few samples cannot show, and that no policy wins on text that the model does not know",
          "[cli][evaluate]") {
    const auto few = earlyout_command(evaluate({"--policy", "fixed @ 2"}));
    INFO(few);
    REQUIRE(few.status == 0);
    CHECK(few.out.find("Too few samples (4) to show a loss of at most 1.1 %: at least 273, 3.0 %: at least 100, "
                       "5.0 %: at least 60\n") != std::string::npos);
    CHECK(few.out.find("loss up to 5.0 %   full depth") != std::string::npos);
    CHECK(few.out.find("-0.0") == std::string::npos);

    const support::temporary_folder folder;
    std::mt19937 engine(1);
    std::string noise;
    for (int i = 0; i < 4000; ++i) noise += static_cast<char>('a' + engine() % 26);
    folder.write("noise.py", noise);
    const auto r = earlyout_command({"evaluate", "--text", (folder / "noise.py").string(), "--samples", "6",
                                     "--max-new-tokens", "4", "--policy", "fixed @ 2", "--json"});
    INFO(r);
    REQUIRE(r.status == 0);
    const auto j = r.json();
    CHECK(j["lacks"].get<std::string>().find("expected a model that was trained on such text") != std::string::npos);
    for (const auto& [loss, best] : j["best_at_loss"].items()) {
        CHECK(best["decode_speedup"] == 1.0);
        CHECK(best["promising"].is_null());
    }
}

TEST_CASE("evaluate prints a table", "[cli][evaluate]") {
    const auto r = earlyout_command(evaluate({"--gates", "fixed", "--exit-layers", "7", "--kv", "propagate"}));
    INFO(r);
    CHECK(r.status == 0);
    for (const char* part : {"Every exit on the true text", "fixed @ 7", "Fastest without stops"}) {
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

TEST_CASE("evaluate writes a page that needs nothing else", "[cli][evaluate]") {
    const support::temporary_folder folder;
    // Brackets, an ampersand, quotes, an address and a byte that is not UTF-8, over and over.
    std::string code = "# see http://example.org/?a=1&b=2\nif a < b and b > \"c\": print('<script>', 'na\xefve')\n";
    for (int i = 0; i < 5; ++i) code += code;
    folder.write("code.py", code);
    const auto r = earlyout_command({"evaluate", "--text", (folder / "code.py").string(), "--samples", "6",
                                     "--max-new-tokens", "4", "--gates", "fixed,margin,entropy,sec", "--exit-layers",
                                     "2,4", "--thresholds", "0.4", "--html", (folder / "page.html").string()});
    INFO(r);
    REQUIRE(r.status == 0);
    const std::string page = folder.read("page.html");
    CHECK(page.starts_with("<!DOCTYPE html>"));
    CHECK(unbalanced(page).empty());
    CHECK(unbalanced("<p>a<b></p></b>") == "/p");

    CHECK(count(page, "<script") == 1);  // it sorts the table
    CHECK(count(page, "evaluate --text") == 1);
    CHECK(count(page, "Measured by earlyout ") == 1);
    CHECK(count(page, "data-l=\"2\"") + count(page, "data-l=\"4\"") + count(page, "data-l=\"8\"") > 10);
    for (const char* loads : {"src=", "href=", "url(", "@import", "<link"}) CHECK(count(page, loads) == 0);
    CHECK(count(page, "http") == count(page, "http://example.org/?a=1&amp;b=2"));  // only what the text says
    CHECK(count(page, "if a &lt; b and b &gt; &quot;c&quot;") > 0);
    CHECK(count(page, "na\xef\xbf\xbdve") > 0);
    CHECK(count(page, "\xefve") == 0);

    for (const char* policy :
         {"fixed @ 2", "fixed @ 4; cache=defer", "margin(0.4) @ 2,4", "entropy(0.4) @ 2,4; cache=defer",
          "sec(0.4, stop=1) @ 2,4", "sec(1, stop=0.4) @ 2,4; cache=defer"}) {
        INFO(policy);
        CHECK(count(page, policy) > 0);
    }
    for (const char* part : {"Quality against speed", "How early tokens could exit", "Where tokens exited",
                             "Completions by ", "Can the confidence be believed?", "Can the Stop&amp;Exit gate",
                             "What gates decide on the true text", "All policies", "prefers-color-scheme: dark"}) {
        INFO(part);
        CHECK(count(page, part) > 0);
    }
    CHECK(count(page, "<article>") >= 6);
    CHECK(count(page, "nan") == count(page, "nan<"));  // no number went wrong
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        CHECK(entry.path().string().find("partial") == std::string::npos);
    }
}

TEST_CASE("evaluate tries every gate, from safe to bold", "[cli][evaluate]") {
    const auto r =
        earlyout_command({"evaluate", "--text", text, "--samples", "1", "--tokens", "500", "--max-new-tokens", "1",
                          "--kv", "propagate", "--gates", "max-probability,entropy,saturation,patience", "--json"});
    INFO(r);
    REQUIRE(r.status == 0);
    std::vector<double> entropies, saturations, patience;
    const auto j = r.json();
    for (const auto& row : j["sweep"]) {
        const std::string gate = row["config"]["gate"];
        const double threshold = row["config"].value("threshold", row["config"].value("exits", 0.0));
        if (gate == "entropy") entropies.push_back(threshold);
        if (gate == "saturation") saturations.push_back(threshold);
        if (gate == "patience") patience.push_back(threshold);
    }
    CHECK(entropies.size() > 4);
    CHECK(std::ranges::is_sorted(entropies));
    CHECK(saturations.size() > 4);
    CHECK(std::ranges::is_sorted(saturations, std::greater<>()));
    CHECK(patience == std::vector<double>{2, 1});  // three exits
}

TEST_CASE("evaluate tries shortlists where a second exit would use them", "[cli][evaluate]") {
    const auto r = earlyout_command(evaluate({"--kv", "propagate", "--gates", "fixed,margin,saturation", "--shortlists",
                                              "0,64", "--thresholds", "0.5", "--json"}));
    INFO(r);
    REQUIRE(r.status == 0);
    std::vector<std::string> margins;
    const auto j = r.json();
    for (const auto& row : j["sweep"]) {
        const auto& config = row["config"];
        if (config["gate"] != "margin") {
            CHECK(!config.contains("shortlist"));
        } else {
            margins.push_back(std::to_string(config["layers"].size()) + (config.contains("shortlist") ? " few" : ""));
        }
    }
    CHECK(margins == std::vector<std::string>{"3", "3 few", "1"});

    const auto to_the_top =
        earlyout_command(evaluate({"--kv", "propagate", "--gates", "margin", "--exit-layers", "2", "--shortlists", "64",
                                   "--shortlist-reach", "full-depth", "--thresholds", "1", "--json"}));
    INFO(to_the_top);
    REQUIRE(to_the_top.status == 0);
    const auto sweep = to_the_top.json()["sweep"];
    CHECK(sweep.at(0)["config"]["reach"] == "full-depth");
    CHECK(sweep.at(0)["layers_skipped"] == 0.0);
}

TEST_CASE("evaluate tries cache policies, caps and lazy prompts", "[cli][evaluate]") {
    const auto r = earlyout_command(evaluate({"--gates", "fixed", "--exit-layers", "2", "--kv", "propagate,defer,omit",
                                              "--defer-caps", "0,1", "--prefill", "lazy", "--json"}));
    INFO(r);
    REQUIRE(r.status == 0);
    const auto sweep = r.json()["sweep"];
    REQUIRE(sweep.size() == 4);
    const auto skipped = [&](std::size_t row) { return sweep[row]["layers_skipped"].get<double>(); };
    CHECK(sweep[0]["config"]["cache"] == "propagate");
    CHECK(skipped(0) == 0.5625);  // the first of four tokens at full depth
    CHECK(sweep[1]["config"]["prefill"] == "lazy");
    CHECK(skipped(1) == 0.75);
    CHECK(sweep[1]["work_saved"].get<double>() > 0.7);
    CHECK(sweep[2]["config"]["cap"] == 1);  // 2, 2, 8, 2: every second generated one goes all the way
    CHECK(skipped(2) == 1.0 - 14.0 / 32.0);
    CHECK(sweep[3]["config"]["cache"] == "omit");
    CHECK(skipped(3) == 0.5625);
    CHECK(earlyout_command({"complete", "--prompt", "x", "--defer-cap", "2"}).refused(2, {"--defer-cap", "propagate"}));
}

TEST_CASE("evaluate measures the policies that fit chose, and those it is given", "[cli][evaluate]") {
    const auto r =
        earlyout_command({"evaluate", "--text", text, "--samples", "1", "--tokens", "500", "--max-new-tokens", "1",
                          "--kv", "defer", "--gates", "learn-to-exit,sec", "--json"});
    INFO(r);
    REQUIRE(r.status == 0);
    std::vector<std::string> policies;
    const auto j = r.json();
    for (const auto& row : j["sweep"]) policies.push_back(row["config"]["policy"]);
    // With the cache policy that was wanted here.
    for (const char* gate : {"learn-to-exit", "sec"}) {
        const auto used = earlyout_command({"complete", "--prompt", "x", "--max-new-tokens", "1", "--policy",
                                            std::string(gate) + "; cache=defer", "--json"});
        INFO(used);
        const std::string chosen = used.json()["policy"];
        CHECK(std::ranges::count(policies, chosen) == 1);
    }
    const auto given =
        earlyout_command({"evaluate", "--text", text, "--samples", "1", "--tokens", "500", "--max-new-tokens", "1",
                          "--policy", policies[0], "--policy", "margin(0.5) @ 3", "--json"});
    INFO(given);
    REQUIRE(given.status == 0);
    const auto sweep = given.json()["sweep"];
    REQUIRE(sweep.size() == 2);
    CHECK(sweep[0]["config"]["policy"] == policies[0]);
    CHECK(sweep[1]["config"]["policy"] == "margin(0.5) @ 3");
}

TEST_CASE("evaluate refuses files it cannot write, before it measures", "[cli][evaluate]") {
    const support::temporary_folder folder;
    const std::string nowhere = (folder.path() / "no" / "page.html").string();
    for (const char* option : {"--html", "--csv"}) {
        CHECK(earlyout_command(evaluate({option, nowhere})).refused(1, {nowhere, "cannot be written"}));
        const std::string itself = folder.path().string();
        CHECK(earlyout_command(evaluate({option, itself})).refused(1, {itself, "cannot be written", "folder"}));
    }
    CHECK(earlyout_command(evaluate({"--gates", "margins"})).refused(2, {"--gates", "margins"}));
}
