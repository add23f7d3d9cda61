// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using support::earlyout_command;

namespace {

/// Forty texts: the recipe's scripts in pieces, so that every part gets some.
void write_texts(const support::temporary_folder& folder) {
    std::string all;
    for (const char* name : {"1_corpus_and_tokenizer.py", "2_train.py", "3_export.py"}) {
        std::ifstream file(std::string(EARLYOUT_EXAMPLE_MODEL "/recipe/") + name);
        all.append(std::istreambuf_iterator<char>(file), {});
    }
    const std::size_t size = all.size() / 40;
    for (std::size_t i = 0; i < 40; ++i) folder.write(std::to_string(i) + ".py", all.substr(i * size, size));
}

std::vector<std::string> fit(const support::temporary_folder& folder, std::vector<std::string> more) {
    std::vector<std::string> all{"fit",
                                 "--text",
                                 folder.path().string(),
                                 "--tokens",
                                 "8000",
                                 "--samples",
                                 "3",
                                 "--max-new-tokens",
                                 "4",
                                 "--check-margins",
                                 "0.3",
                                 "--more-gates",
                                 "none",
                                 "--confidence",
                                 "0"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

}  // namespace

TEST_CASE("fit writes exits that the other commands use", "[cli][fit]") {
    const support::temporary_folder folder;
    write_texts(folder);
    const std::string out = (folder / "exits.safetensors").string();
    const auto r = earlyout_command(
        fit(folder, {"--out", out, "--json", "--gates", "learn-to-exit,sec", "--guarantee", "0.3", "--delta", "0.2"}));
    INFO(r);
    REQUIRE(r.status == 0);
    CHECK(r.err.empty());
    const auto j = r.json();
    CHECK(j.at("fit").at("tokens") > j.at("validate").at("tokens"));
    CHECK(j.at("fit").at("exits").size() == 8);
    REQUIRE(j.at("gates").size() == 2);
    REQUIRE(j.at("gates").at(0).at("exits").size() == 7);
    for (const auto& exit : j.at("gates").at(0).at("exits")) {
        CHECK(exit.at("loss") < 0.7);
        CHECK(exit.at("decisions").at(0).at("after").at("bins").size() == 10);
    }
    REQUIRE(j.at("choices").size() == 2);
    for (const auto& choice : j.at("choices")) {
        const std::string gate = choice.at("gate");
        CAPTURE(gate);
        CHECK(choice.at("tried").size() >= 3);
        if (choice.at("found") == true) {
            CHECK(choice.at("guarantee").at("samples") > 0);
            CHECK(choice.at("guarantee").at("delta") == 0.2);
        } else {
            CHECK(choice.at("chosen").at("policy") == "full-depth");
        }
    }
    const auto& sec = j.at("gates").at(1);
    CHECK(sec.at("temperatures").size() == 1);
    REQUIRE(sec.at("exits").size() == 8);
    CHECK(sec.at("exits").at(0).at("decisions").at(0).at("before") !=
          sec.at("exits").at(0).at("decisions").at(0).at("after"));
    CHECK(j.at("weight_formats") == "f32");

    const auto measured = earlyout_command({"evaluate", "--text", folder.path().string(), "--exits", out, "--samples",
                                            "2", "--max-new-tokens", "3", "--tokens", "1000", "--kv", "propagate",
                                            "--gates", "learn-to-exit,sec", "--thresholds", "0.3", "--json"});
    INFO(measured);
    REQUIRE(measured.status == 0);
    CHECK(measured.json().at("sweep").size() == 4);  // two checks of one gate; exit and stop of the other
}

TEST_CASE("a fit with given costs that times nothing chooses the same policies again", "[cli][fit]") {
    const support::temporary_folder folder;
    write_texts(folder);
    const auto fit_to = [&](const char* name, std::vector<std::string> more) {
        const std::string out = (folder / name).string();
        more.insert(more.begin(), {"--out", out, "--json", "--gates", "agreement", "--loss", "1", "--no-timing"});
        const auto r = earlyout_command(fit(folder, more));
        INFO(r);
        REQUIRE(r.status == 0);
        return r.json();
    };
    const auto first = fit_to("first.safetensors", {});
    const std::string costs = (folder / "first.safetensors").string();
    CHECK(first.at("costs").at("layer").size() == 8);
    CHECK(first.at("costs").at("gates").contains("agreement"));
    REQUIRE(first.at("front").size() >= 1);
    const auto second = fit_to("second.safetensors", {"--costs", costs});
    const auto third = fit_to("third.safetensors", {"--costs", costs, "--threads", "2"});
    for (const auto* other : {&second, &third}) {
        CHECK(other->at("costs") == first.at("costs"));
        CHECK(other->at("front") == first.at("front"));
        CHECK(other->at("choices") == first.at("choices"));
        CHECK(other->at("policy") == first.at("policy"));
    }
    CHECK(second.at("choices").at(0).at("chosen").at("is_timed") == false);
    const auto timed = earlyout_command(fit(folder, {"--out", (folder / "timed.safetensors").string(), "--json",
                                                     "--gates", "agreement", "--loss", "1"}))
                           .json();
    if (timed.at("choices").at(0).at("found") == true) {
        CHECK(timed.at("choices").at(0).at("chosen").at("is_timed") == true);
    }
    CHECK(earlyout_command(fit(folder, {"--costs", (folder / "0.py").string()})).status == 1);
}

TEST_CASE("an estimate fits and writes nothing", "[cli][fit]") {
    const support::temporary_folder folder;
    write_texts(folder);
    const std::string out = (folder / "exits.safetensors").string();
    const auto r = earlyout_command(fit(folder, {"--estimate", "--json", "--out", out, "--heads", "adapter"}));
    INFO(r);
    REQUIRE(r.status == 0);
    const auto j = r.json();
    double sum = 0.0;
    for (const auto& step : j.at("steps")) sum += step.at("seconds").get<double>();
    CHECK(j.at("seconds").get<double>() == Approx(sum));
    CHECK(j.at("seconds") > 0.0);
    CHECK(j.at("weight_bytes") > 6e6);
    CHECK(j.at("samples") == 3);
    CHECK(j.at("policies") > 100);
    CHECK(j.at("kept_tokens") <= j.at("tokens"));
    CHECK_FALSE(std::filesystem::exists(out));
    const auto printed = earlyout_command(fit(folder, {"--estimate"}));
    for (const char* word : {"Expected at most", "reading texts", "together", "policies"}) {
        CHECK(printed.out.find(word) != std::string::npos);
    }
}

TEST_CASE("every gate's threshold keeps its loss in other formats, and on average over texts", "[cli][fit]") {
    const support::temporary_folder folder;
    write_texts(folder);
    const std::string out = (folder / "exits.safetensors").string();
    // Whatever is lost is allowed, so some threshold is always found.
    const auto r =
        earlyout_command(fit(folder, {"--out", out, "--json", "--exit-layers", "2,4", "--gates", "sec,jei-dnn",
                                      "--loss", "1", "--kv", "defer", "--no-timing", "--also-dtype", "int8",
                                      "--guarantee", "0.9", "--guarantee-in", "expectation"}));
    INFO(r);
    REQUIRE(r.status == 0);
    const auto j = r.json();
    CHECK(j.at("weight_formats") == "f32, int8");
    REQUIRE(j.at("choices").size() == 2);
    for (const auto& choice : j.at("choices")) {
        CAPTURE(choice.at("gate"));
        REQUIRE(choice.at("formats").size() == 1);
        CHECK(choice.at("formats").at(0).at("holds") == true);
        CHECK(choice.at("found") == true);
        CHECK(choice.at("guarantee").at("test") == "conformal-risk-control");
        CHECK(choice.at("guarantee").at("holds") == true);
    }
    // The layers that were chosen are those the file's gates are asked after.
    const auto used = earlyout_command({"evaluate",
                                        "--text",
                                        folder.path().string(),
                                        "--exits",
                                        out,
                                        "--samples",
                                        "1",
                                        "--max-new-tokens",
                                        "2",
                                        "--tokens",
                                        "500",
                                        "--dtype",
                                        "int8",
                                        "--gates",
                                        "sec",
                                        "--kv",
                                        "defer",
                                        "--thresholds",
                                        "0.5",
                                        "--json"});
    INFO(used);
    REQUIRE(used.status == 0);
    CHECK(used.json().at("sweep").at(0).at("config").at("layers") == j.at("choices").at(0).at("chosen").at("layers"));
}

TEST_CASE("fit in another format serves that format", "[cli][fit]") {
    const support::temporary_folder folder;
    write_texts(folder);
    const std::string out = (folder / "exits.safetensors").string();
    const auto r = earlyout_command(fit(folder, {"--out", out, "--dtype", "int8", "--exit-layers", "2,4", "--json"}));
    INFO(r);
    REQUIRE(r.status == 0);
    CHECK(r.json().at("weight_formats") == "int8");
    CHECK(r.json().at("gates").at(0).at("exits").size() == 2);
}

TEST_CASE("fit gives exits heads of their own, and the other commands answer with them", "[cli][fit]") {
    const support::temporary_folder folder;
    write_texts(folder);
    const std::string out = (folder / "exits.safetensors").string();
    const auto r = earlyout_command(
        fit(folder, {"--out", out, "--json", "--exit-layers", "2,4", "--heads", "adapter", "--rank", "4", "--epochs",
                     "8", "--gates", "jei-dnn,sec", "--sec-each", "--dtype", "int8"}));
    INFO(r);
    REQUIRE(r.status == 0);
    const auto j = r.json();
    const auto& heads = j.at("heads");
    REQUIRE(heads.at("fitted").size() == 2);
    for (const auto& head : heads.at("fitted")) CHECK(head.at("last_loss") < head.at("first_loss"));
    for (const char* key : {"right", "agrees", "cross_entropy"}) {
        CHECK(heads.at("after").at(2).at(key) == heads.at("before").at(2).at(key));  // full depth answers as it did
    }
    CHECK(heads.at("after").at(0) != heads.at("before").at(0));
    REQUIRE(j.at("gates").size() == 2);
    CHECK(j.at("gates").at(0).at("exits").size() == 2);
    CHECK(j.at("gates").at(1).at("exits").size() == 3);

    std::vector<std::string> evaluate{"evaluate",
                                      "--text",
                                      folder.path().string(),
                                      "--exits",
                                      out,
                                      "--samples",
                                      "2",
                                      "--max-new-tokens",
                                      "3",
                                      "--tokens",
                                      "1000",
                                      "--kv",
                                      "propagate",
                                      "--json",
                                      "--dtype",
                                      "int8",
                                      "--gates",
                                      "jei-dnn,sec",
                                      "--thresholds",
                                      "0.3"};
    const auto with = earlyout_command(evaluate);
    INFO(with);
    REQUIRE(with.status == 0);
    CHECK(with.json().at("sweep").size() == 3);
    CHECK(with.json().at("sweep").at(0).at("config").at("head") == "adapter");
    evaluate.insert(evaluate.end(), {"--exit-head", "shared"});
    const auto without = earlyout_command(evaluate);
    REQUIRE(without.status == 0);
    CHECK(without.json().at("oracle") != with.json().at("oracle"));
    evaluate.back() = "own";
    CHECK(earlyout_command(evaluate).refused(1, {"exits.safetensors", "head.LAYER.weight"}));
}

TEST_CASE("a router is fitted, stored, and used by its name", "[cli][fit]") {
    const support::temporary_folder folder;
    write_texts(folder);
    const std::string out = (folder / "exits.safetensors").string();
    const auto r =
        earlyout_command(fit(folder, {"--out", out, "--json", "--exit-layers", "2,4", "--gates", "mlp-router",
                                      "--router-hidden", "8", "--router-epochs", "2", "--loss", "1"}));
    INFO(r);
    REQUIRE(r.status == 0);
    const auto j = r.json();
    REQUIRE(j.at("gates").at(0).at("exits").size() == 2);
    const std::string chosen = j.at("choices").at(0).at("chosen").at("policy");
    const auto measured = earlyout_command({"evaluate", "--text", folder.path().string(), "--exits", out, "--samples",
                                            "2", "--max-new-tokens", "3", "--tokens", "1000", "--kv", "propagate,defer",
                                            "--gates", "mlp-router", "--json"});
    INFO(measured);
    REQUIRE(measured.status == 0);
    bool is_measured = chosen == "full-depth";
    const auto measurements = measured.json();
    for (const auto& row : measurements.at("sweep"))
        is_measured = is_measured || row.at("config").at("policy") == chosen;
    CHECK(is_measured);
    CHECK(measurements.at("decisions").size() == 3);
}

TEST_CASE("the Stop&Exit paper's configuration is fitted and evaluated", "[cli][fit]") {
    const support::temporary_folder folder;
    write_texts(folder);
    const std::string out = (folder / "exits.safetensors").string();
    const auto r = earlyout_command(fit(folder, {"--out", out, "--exit-layers", "2,5", "--paper"}));
    INFO(r);
    REQUIRE(r.status == 0);
    CHECK(r.out.find("Heads (own") != std::string::npos);
    const auto measured = earlyout_command({"evaluate", "--text", folder.path().string(), "--exits", out, "--samples",
                                            "2", "--max-new-tokens", "3", "--tokens", "1000", "--paper", "--json"});
    INFO(measured);
    REQUIRE(measured.status == 0);
    const auto sweep = measured.json().at("sweep");
    REQUIRE(sweep.size() == 18);  // nine thresholds of exit, then of stop
    CHECK(sweep.at(0).at("config").at("exit") == 0.999f);
    CHECK(sweep.at(0).at("config").at("head") == "own");
    CHECK(sweep.at(17).at("config").at("stop") == 0.0f);
    CHECK(sweep.at(17).at("config").at("layers") == std::vector<int>{2, 5, 8});
}

TEST_CASE("fit refuses text that the model does not know, and too few samples win nothing", "[cli][fit]") {
    const support::temporary_folder folder;
    std::mt19937 engine(1);
    for (int file = 0; file < 20; ++file) {
        std::string noise;
        for (int i = 0; i < 400; ++i) noise += static_cast<char>('a' + engine() % 26);
        folder.write(std::to_string(file) + ".py", noise);
    }
    const std::string out = (folder / "exits.safetensors").string();
    const auto refused = earlyout_command(fit(folder, {"--out", out}));
    INFO(refused);
    CHECK(refused.status == 1);
    CHECK(refused.err.find("the model predicts") != std::string::npos);
    CHECK(std::ranges::count(refused.err, '\n') == 1);
    CHECK_FALSE(std::filesystem::exists(out));

    const support::temporary_folder texts;
    write_texts(texts);
    auto command = fit(texts, {"--out", out, "--exit-layers", "4", "--gates", "learn-to-exit"});
    std::erase(command, "--confidence");
    std::erase(command, "0");
    const auto few = earlyout_command(command);
    INFO(few);
    REQUIRE(few.status == 0);
    CHECK(few.out.find("Too few samples (3) to show a loss of at most 1.1 %: at least 273\n") != std::string::npos);
    CHECK(few.out.find("is what --policy fitted follows") == std::string::npos);
}

TEST_CASE("fit that cannot be done is refused and leaves what was there", "[cli][fit]") {
    const support::temporary_folder folder;
    CHECK(earlyout_command({"fit"}).refused(2, {"--text"}));
    CHECK(earlyout_command({"fit", "--text", "/nowhere"}).refused(1, {"/nowhere"}));
    CHECK(earlyout_command(fit(folder, {})).refused(1, {".py", "none"}));
    folder.write("only.py", "def f(x):\n    return x\n");
    const std::string out = (folder / "exits.safetensors").string();
    folder.write("exits.safetensors", "what was there");
    CHECK(earlyout_command(fit(folder, {"--out", out})).refused(2, {"--text", "part", "1 texts"}));
    std::ifstream kept(out);
    CHECK(std::string(std::istreambuf_iterator<char>(kept), {}) == "what was there");
    CHECK(earlyout_command(fit(folder, {"--out", "/nowhere/exits"})).refused(1, {"/nowhere/exits", "written"}));
    CHECK(earlyout_command(fit(folder, {"--exit-layers", "8"})).refused(2, {"--exit-layers", "1 .. 7"}));
    CHECK(earlyout_command(fit(folder, {"--labels", "wrong"})).refused(2, {"--labels"}));
    CHECK(earlyout_command(fit(folder, {"--loss", "2"})).refused(2, {"--loss"}));
    CHECK(earlyout_command(fit(folder, {"--guarantee-in", "hope"})).refused(2, {"--guarantee-in"}));
    CHECK(earlyout_command(fit(folder, {"--rank", "161"})).refused(2, {"--rank", "160", "161"}));
}
