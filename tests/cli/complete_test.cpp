// SPDX-License-Identifier: MIT
#include <earlyout/core/machine.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/command.hpp"
#include "support/catch.hpp"

using support::command_result;
using support::earlyout_command;

namespace {

const std::string prompt = "import os\n\ndef read_file(path):\n    ";

command_result complete(std::vector<std::string> more, const std::string& text = prompt) {
    more.insert(more.begin(), {"complete", "--prompt", text, "--max-new-tokens", "12"});
    return earlyout_command(std::move(more));
}

}  // namespace

TEST_CASE("complete --json says all there is", "[cli][complete]") {
    const command_result r = complete({"--json", "--exit-gate", "sec", "--threshold", "0.5", "--kv", "defer"});
    REQUIRE(r.status == 0);
    CHECK(r.err.empty());
    const auto j = r.json();
    CHECK(j.at("text").get<std::string>().size() > 10);
    CHECK(j.at("ids").size() == 12);
    CHECK(j.at("exit_layers").size() == 12);
    CHECK(j.at("logprobs").size() == 12);
    CHECK(j.at("finish_reason") == "max_new_tokens");
    int early = 0;
    for (std::size_t i = 0; i < 12; ++i) {
        const int layer = j["exit_layers"][i];
        CHECK((layer >= 1 && layer <= 8));
        early += layer < 8 ? 1 : 0;
        CHECK(j["logprobs"][i].get<double>() <= 0.0);
        CHECK((j["ids"][i].get<int>() >= 0 && j["ids"][i].get<int>() < 4096));
    }
    CHECK(early > 0);
    const auto& stats = j.at("stats");
    CHECK(stats.at("layers") == 8);
    CHECK(stats.at("new_tokens") == 12);
    int histogram = 0;
    for (const int count : stats.at("exit_histogram")) histogram += count;
    CHECK(histogram == 12);
    for (const char* key : {"prompt_tokens", "reused_tokens", "mean_exit_layer", "layers_skipped",
                            "catch_up_layer_tokens", "gate_evaluations", "head_evaluations", "prefill_seconds",
                            "decode_seconds", "head_seconds", "gate_seconds", "decode_tokens_per_second"}) {
        INFO(key);
        CHECK(stats.at(key).get<double>() >= 0.0);
    }
    CHECK(stats.at("prefill").at("layer_tokens") > 0);
    CHECK(stats.at("decode").at("weight_bytes") > 0);
}

TEST_CASE("--end-of-text adds a token, by its id or its text", "[cli][complete]") {
    const auto whole = complete({"--json"}).json();
    const std::string third = whole["ids"][2].dump();
    const auto ended = complete({"--json", "--end-of-text", "<|endoftext|>", "--end-of-text", third}).json();
    CHECK(ended.at("finish_reason") == "end_of_text");
    CHECK(ended.at("ids").size() <= 3);
    CHECK(ended.at("ids").back() == whole["ids"][2]);
    CHECK(complete({"--end-of-text", "no token"}).refused(2, {"--end-of-text", "'no token'"}));
}

TEST_CASE("--plain-text reads no special tokens", "[cli][complete]") {
    const auto tokens = [](std::vector<std::string> more) {
        more.insert(more.begin(), {"tokenize", "--text", "a<|endoftext|>", "--json"});
        return earlyout_command(std::move(more)).json().at("ids").size();
    };
    CHECK(tokens({}) == 2);
    CHECK(tokens({"--plain-text"}) > 4);
    const auto prompt_tokens = [](std::vector<std::string> more) {
        more.emplace_back("--json");
        return complete(std::move(more), "a<|endoftext|>").json().at("stats").at("prompt_tokens");
    };
    CHECK(prompt_tokens({}) == 3);  // a text of this model begins with one of its own
    CHECK(prompt_tokens({"--plain-text"}) == tokens({"--plain-text"}) + 1);
}

TEST_CASE("the text is streamed to standard output, what is said about it to standard error", "[cli][complete]") {
    const std::string text = complete({"--json", "--exact"}).json().at("text");
    const command_result r = complete({"--exact"});
    REQUIRE(r.status == 0);
    CHECK(r.out == text + "\n");
    for (const char* word : {"exited after layer", "mean exit layer", "8.00 of 8", "max_new_tokens", "tokens/s"}) {
        INFO(word);
        CHECK(r.err.find(word) != std::string::npos);
    }
    CHECK(r.out.find('\x1b') == std::string::npos);
    // Colours when asked for, around the same text.
    const command_result coloured = complete({"--color", "always"});
    CHECK(coloured.out.find("\x1b[") != std::string::npos);
    const command_result numbered = complete({"--show-layers", "--exact"});
    CHECK(numbered.out.find("<8>") != std::string::npos);
}

TEST_CASE("drafts change nothing but the time, and are counted", "[cli][complete]") {
    const auto continued = [](std::vector<std::string> more) {
        more.insert(more.begin(), {"complete", "--prompt", prompt, "--max-new-tokens", "60"});
        return earlyout_command(std::move(more));
    };
    const auto plain = continued({"--json", "--exact", "--draft", "none"}).json();
    CHECK(plain.at("stats").at("drafted") == 0);
    CHECK(plain.at("policy") == "full-depth");
    for (const std::vector<std::string>& more : {std::vector<std::string>{"--exact"},
                                                 {"--draft", "suffix"},
                                                 {"--draft", "hashed(2)|recycled", "--dtype", "bf16"},
                                                 {"--policy", "margin(0.2) @ 2; draft=depth"},
                                                 {"--draft", "suffix", "--draft-from", EARLYOUT_EXAMPLE_MODEL "/recipe",
                                                  EARLYOUT_EXAMPLE_MODEL "/recipe/2_train.py"}}) {
        std::vector<std::string> all{"--json"};
        all.insert(all.end(), more.begin(), more.end());
        const auto j = continued(all).json();
        INFO(more.back());
        CHECK(j.at("ids") == plain.at("ids"));
        CHECK(j.at("logprobs") == plain.at("logprobs"));
        CHECK(j.at("stats").at("mean_exit_layer") == 8.0);
        const auto& stats = j.at("stats");
        CHECK(stats.at("drafted") > 0);
        CHECK(stats.at("accepted") <= stats.at("drafted"));
        CHECK(stats.at("draft_rounds") <= stats.at("decode_steps"));
        int drafted = 0;
        for (const auto& [name, counts] : stats.at("by_drafter").items()) drafted += counts.at("drafted").get<int>();
        CHECK(stats.at("drafted") == drafted);
    }
    const command_result shown = continued({"--exact"});
    for (const char* word : {"draft=suffix|depth", "lossless", "drafts accepted", "tokens per step"}) {
        INFO(word);
        CHECK(shown.err.find(word) != std::string::npos);
    }
    CHECK(continued({"--exact", "--color", "always"}).out.find("\x1b[4;") != std::string::npos);
}

TEST_CASE("wrong drafts are refused by name", "[cli][complete]") {
    CHECK(complete({"--draft", "sufix"}).refused(2, {"'sufix'", "did you mean suffix?"}));
    CHECK(complete({"--draft", "suffix", "--policy", "full-depth; draft=hashed"}).refused(2, {"--draft", "hashed"}));
    CHECK(complete({"--draft", "suffix", "--exit-gate", "margin"}).refused(2, {"expected depth among the drafters"}));
    CHECK(complete({"--draft", "hashed", "--draft-from", EARLYOUT_EXAMPLE_MODEL "/recipe"})
              .refused(2, {"--draft-from", "suffix", "hashed"}));
    CHECK(complete({"--draft-from", "no/such/file", "--draft", "suffix"}).refused(2, {"--draft-from", "no/such/file"}));
}

TEST_CASE("a gate that never exits gives full depth's text", "[cli][complete]") {
    const auto full = complete({"--json", "--exact"}).json();
    for (const char* gate : {"margin", "max-probability", "sec"}) {
        for (const char* kv : {"propagate", "defer", "omit"}) {
            const auto j = complete({"--json", "--exit-gate", gate, "--threshold", "1", "--kv", kv}).json();
            INFO(gate << ' ' << kv);
            CHECK(j.at("ids") == full.at("ids"));
            CHECK(j.at("stats").at("mean_exit_layer") == 8.0);
        }
    }
    for (const auto& [gate, never] : {std::pair{"entropy", "0"}, {"saturation", "1"}, {"patience", "8"}}) {
        const auto j = complete({"--json", "--exit-gate", gate, "--threshold", never}).json();
        INFO(gate);
        CHECK(j.at("ids") == full.at("ids"));
        CHECK(j.at("stats").at("mean_exit_layer") == 8.0);
        CHECK(j.at("stats").at("gate_evaluations") == 3 * 11);  // at the first token nothing is asked
    }
    const auto lazy =
        complete({"--json", "--exit-gate", "margin", "--threshold", "1", "--kv", "defer", "--prefill", "lazy"});
    CHECK(lazy.json().at("ids") == full.at("ids"));
}

TEST_CASE("a shortlist answers later exits, and one of the whole vocabulary changes nothing", "[cli][complete]") {
    const auto margin = [](std::vector<std::string> more) {
        std::vector<std::string> all{"--json", "--exit-gate", "margin", "--exit-layers", "2,3,5", "--threshold", "0.6"};
        all.insert(all.end(), more.begin(), more.end());
        return complete(all).json();
    };
    const auto all = margin({}), whole = margin({"--shortlist", "4096"}), few = margin({"--shortlist", "64"});
    CHECK(whole.at("ids") == all.at("ids"));
    CHECK(whole.at("exit_layers") == all.at("exit_layers"));
    CHECK(all.at("stats").at("shortlist_evaluations") == 0);
    CHECK(few.at("stats").at("shortlist_evaluations") > 0);
    CHECK(few.at("stats").at("head_evaluations") < all.at("stats").at("head_evaluations"));
    CHECK(earlyout_command({"complete", "--prompt", "x", "--exit-gate", "margin", "--shortlist", "1"})
              .refused(2, {"shortlist", "at least 2"}));
}

TEST_CASE("budgets end a completion or let tokens leave, and say so", "[cli][complete]") {
    const auto j = complete({"--json", "--exit-gate", "margin", "--threshold", "1", "--token-budget", "3"}).json();
    CHECK(j.at("finish_reason") == "budget_spent");
    CHECK(j.at("ids").size() == 3);
    const auto emitted = complete({"--json", "--exit-gate", "margin", "--exit-layers", "2", "--threshold", "1",
                                   "--token-budget", "3", "--emit-at-stop"})
                             .json();
    CHECK(emitted.at("exit_layers") == std::vector<int>{8, 8, 8, 2});
    const auto leaving = complete({"--json", "--exit-gate", "margin", "--exit-layers", "2", "--threshold", "1",
                                   "--time-budget", "1e-9", "--over-budget", "exit"})
                             .json();
    CHECK(leaving.at("finish_reason") != "budget_spent");
    CHECK(leaving.at("stats").at("exit_histogram").at(2).get<std::size_t>() + 1 == leaving.at("ids").size());
    CHECK(earlyout_command({"complete", "--prompt", "x", "--exit-gate", "none", "--token-budget", "1"})
              .refused(2, {"--token-budget", "found none"}));
}

TEST_CASE("a policy is one text, the same as its options", "[cli][complete]") {
    const auto by_options = complete({"--json", "--exit-gate", "margin", "--exit-layers", "2,3,5", "--threshold", "0.6",
                                      "--kv", "defer", "--defer-cap", "3", "--shortlist", "64"})
                                .json();
    const auto by_text =
        complete({"--json", "--policy", "margin(0.6) @ 2,3,5; head=shortlist(64); cache=defer(cap=3)"}).json();
    CHECK(by_text.at("ids") == by_options.at("ids"));
    CHECK(by_text.at("exit_layers") == by_options.at("exit_layers"));
    CHECK(by_text.at("logprobs") == by_options.at("logprobs"));
    CHECK(complete({"--json", "--policy", "full-depth"}).json().at("ids") ==
          complete({"--json", "--exact"}).json().at("ids"));
    // What fit chose, by the gate's name and as the best of all.
    const auto fitted = complete({"--json", "--policy", "fitted"}).json();
    const std::string text = fitted.at("policy");
    CHECK(fitted.at("exit_layers") == complete({"--json", "--policy", text}).json().at("exit_layers"));
    CHECK(complete({"--json", "--policy", "agreement"}).json().at("exit_layers") ==
          complete({"--json", "--exit-gate", "agreement"}).json().at("exit_layers"));
    CHECK(complete({"--policy", "margn"}).refused(2, {"policy 'margn'", "max-probability"}));
    CHECK(complete({"--policy", "margin @ 9"}).refused(1, {"1 .. 8", "9"}));
    CHECK(complete({"--policy", "margin", "--kv", "defer"}).refused(2, {"--policy", "--kv"}));
    CHECK(complete({"--policy", "margin", "--exit-gate", "margin"}).refused(2, {"--policy", "--exit-gate"}));
    CHECK(complete({"--policy", "mlp-router"}).refused(1, {"exits.safetensors", "mlp-router"}));
}

TEST_CASE("what fit chose is followed unless something else is wanted", "[cli][complete]") {
    // On another machine than the one that fitted, a measurement chooses among what fit found.
    const auto chosen = complete({"--json", "--max-loss", "0.05"}).json();
    const std::string policy = chosen.at("policy");
    CHECK((chosen.at("policy_from") == "fit" || chosen.at("policy_from") == "machine"));
    std::vector<std::string> found;
    const auto costs = earlyout_command({"costs", "--seconds", "0", "--json"}).json();
    for (const auto& p : costs.at("front")) {
        found.push_back(p.at("policy"));
    }
    CHECK(std::ranges::count(found, policy) == 1);
    CHECK(chosen.at("stats").at("layers_skipped") > 0.0);
    CHECK(complete({"--json", "--policy", policy}).json().at("ids") == chosen.at("ids"));
    const std::string said = complete({"--max-loss", "0.05"}).err;
    CHECK(said.find("chosen by") != std::string::npos);
    CHECK(complete({"--json", "--policy", "fitted"}).json().at("policy_from") == "options");
    const auto omitted = complete({"--json", "--max-loss", "0.05", "--kv", "omit"}).json();
    CHECK(std::string(omitted.at("policy")).find("cache=omit") != std::string::npos);
    CHECK(complete({"--max-loss", "0.05", "--policy", "fitted"}).refused(2, {"--max-loss", "--policy"}));
    CHECK(complete({"--max-loss", "0.05", "--exact"}).refused(2, {"--max-loss", "--exact"}));

    for (const std::vector<std::string>& full :
         {std::vector<std::string>{"--exact"}, {"--policy", "full-depth"}, {"--exit-gate", "none"}}) {
        std::vector<std::string> arguments{"--json"};
        arguments.insert(arguments.end(), full.begin(), full.end());
        const auto exact = complete(arguments).json();
        CHECK(exact.at("policy") == "margin(0.3) @ 2; head=shortlist(512); draft=suffix|depth");
        CHECK(exact.at("policy_from") == "options");
        CHECK(exact.at("stats").at("layers_skipped") == 0.0);
    }
    CHECK(complete({"--exact"}).err.find("chosen by") == std::string::npos);
    CHECK(complete({"--exact", "--policy", "fitted"}).refused(2, {"--exact", "--policy"}));
    CHECK(complete({"--exact", "--exit-gate", "margin"}).refused(2, {"--exact", "--exit-gate"}));
}

TEST_CASE("exits that do not hold for the weight format are not used, and that is said", "[cli][complete]") {
    const auto rounded = complete({"--json", "--dtype", "int4"}).json();
    CHECK(rounded.at("policy") == "full-depth; draft=suffix");
    CHECK(rounded.at("policy_from") == "default");
    CHECK(rounded.at("policy_note").get<std::string>().find("int4") != std::string::npos);
    CHECK(rounded.at("stats").at("layers_skipped") == 0.0);
    const command_result told = complete({"--dtype", "int4"});
    CHECK(told.status == 0);
    CHECK(told.err.find("exits not used") != std::string::npos);
    // A model without exits has nothing to say about them.
    const support::temporary_folder folder;
    folder.copy(EARLYOUT_EXAMPLE_MODEL);
    std::filesystem::remove(folder / "exits.safetensors");
    const auto bare = complete({"--json", "--model", folder.path().string()}).json();
    CHECK(bare.at("policy") == "full-depth; draft=suffix");
    CHECK(bare.at("policy_from") == "default");
    CHECK_FALSE(bare.contains("policy_note"));
}

TEST_CASE("--quiet leaves the text alone", "[cli][complete]") {
    const command_result loud = complete({}), quiet = complete({"--quiet"});
    CHECK(quiet.out == loud.out);
    CHECK(quiet.err.empty());
    CHECK_FALSE(loud.err.empty());
}

TEST_CASE("all processors compute unless fewer are asked for", "[cli][complete]") {
    CHECK(complete({"--json"}).json().at("threads") == earlyout::usable_processors());
    CHECK(complete({"--json", "--threads", "1"}).json().at("threads") == 1);
}

TEST_CASE("complete says how much memory it takes", "[cli][memory]") {
    const auto j = complete({"--json", "--capacity", "256"}).json().at("memory");
    const auto part = [&](const char* name) { return j.at(name).get<std::size_t>(); };
    CHECK(part("capacity") == 256);
    CHECK(part("kv_cache") == 256 * 8 * 2 * 160 * 4);
    CHECK(part("total") == part("weights") + part("kv_cache") + part("scratch"));
    CHECK(part("scratch") > 0);
}

TEST_CASE("weights that do not fit are refused before they are loaded", "[cli][memory]") {
    if (!earlyout::available_memory()) return;
    const support::temporary_folder folder;
    folder.copy(EARLYOUT_TEST_DATA "/gpt2/tiny");
    const std::string header = R"({"big":{"dtype":"F32","shape":[262144,1048576],"data_offsets":[0,1099511627776]}})";
    const std::uint64_t size = header.size();
    std::string bytes(sizeof size, '\0');
    std::memcpy(bytes.data(), &size, sizeof size);
    folder.write("model.safetensors", bytes + header);
    std::error_code problem;  // a file of zeros that takes no room, where the file system can
    std::filesystem::resize_file(folder / "model.safetensors", 8 + header.size() + (std::uint64_t{1} << 40), problem);
    if (problem) return;
    CHECK(earlyout_command({"inspect", "--model", folder.path().string(), "--dtype", "f32"})
              .refused(1, {"weights in f32", "1099.5 GB of free memory", "--dtype int8"}));
}

TEST_CASE("a fixed layer is where every token leaves", "[cli][complete]") {
    const auto j =
        complete({"--json", "--exit-gate", "fixed", "--exit-layers", "3", "--kv", "defer", "--prefill", "lazy"}).json();
    for (const int layer : j.at("exit_layers")) CHECK(layer == 3);
    CHECK(j.at("stats").at("layers_skipped").get<double>() == 0.625);
}

TEST_CASE("entropy, saturation and patience let tokens leave", "[cli][complete]") {
    const auto leave_at = [](const char* gate, const char* threshold, int layer) {
        const auto j = complete({"--json", "--exit-gate", gate, "--exit-layers", "2,3,5", "--threshold", threshold});
        CAPTURE(gate, j);
        REQUIRE(j.status == 0);
        const auto layers = j.json().at("exit_layers");
        for (std::size_t i = 1; i < layers.size(); ++i) CHECK(layers[i] == layer);
    };
    leave_at("entropy", "100", 2);    // more than log 4096
    leave_at("saturation", "-1", 3);  // the second exit: the first has nothing to compare with
    // As many further exits as there are, where they agree.
    const auto patient =
        complete({"--json", "--exit-gate", "patience", "--exit-layers", "2,3,5", "--threshold", "2"}).json();
    int early = 0;
    for (const int layer : patient.at("exit_layers")) {
        CHECK((layer == 5 || layer == 8));
        early += layer == 5 ? 1 : 0;
    }
    CHECK(early > 0);
    // 2 is the default.
    const auto left_out = complete({"--json", "--exit-gate", "patience", "--exit-layers", "2,3,5"}).json();
    CHECK(left_out.at("exit_layers") == patient.at("exit_layers"));
}

TEST_CASE("a gate that stops ends the completion", "[cli][complete]") {
    const auto j = complete({"--json", "--exit-gate", "sec", "--threshold", "1", "--stop-threshold", "0.05"}).json();
    CHECK(j.at("finish_reason") == "stopped_by_gate");
    CHECK(j.at("ids").size() < 12);
    CHECK(j.at("stats").at("stop_layer") > 0);
}

TEST_CASE("prompt, file and standard input are the same text", "[cli][complete]") {
    const auto expected = complete({"--json"}).json().at("ids");
    const support::temporary_folder folder;
    folder.write("main.py", prompt);
    const auto ids = [](const command_result& r) { return r.json().at("ids"); };
    CHECK(ids(earlyout_command(
              {"complete", "--file", (folder / "main.py").string(), "--max-new-tokens", "12", "--json"})) == expected);
    CHECK(ids(earlyout_command({"complete", "--max-new-tokens", "12", "--json"}, prompt)) == expected);
}

TEST_CASE("sampling repeats with its seed, stop strings end", "[cli][complete]") {
    const auto sampled = [](const char* seed) {
        return complete({"--json", "--temperature", "1", "--top-k", "50", "--top-p", "0.95", "--min-p", "0.01",
                         "--repetition-penalty", "1.1", "--seed", seed})
            .json()
            .at("ids");
    };
    CHECK(sampled("1") == sampled("1"));
    CHECK((sampled("1") != sampled("2") || sampled("1") != sampled("3")));
    const std::string text = complete({"--json"}).json().at("text");
    const auto cut = complete({"--json", "--stop", text.substr(4, 3)}).json();
    CHECK(cut.at("finish_reason") == "stop_string");
    CHECK(cut.at("text") == text.substr(0, 4));
}

TEST_CASE("a model stored in bfloat16 completes the same in either format", "[cli][complete]") {
    const auto in = [](const char* format) {
        return complete({"--json", "--dtype", format, "--exit-gate", "sec", "--threshold", "0.5"}).json();
    };
    const auto bytes = [](const nlohmann::json& j) {
        return j.at("stats").at("decode").at("weight_bytes").get<double>();
    };
    CHECK(in("bf16").at("ids") == in("f32").at("ids"));
    CHECK(bytes(in("bf16")) < 0.6 * bytes(in("f32")));
    CHECK(bytes(in("auto")) == bytes(in("bf16")));
}

TEST_CASE("weights and cached keys and values may be rounded", "[cli][complete]") {
    for (const std::vector<std::string>& rounding : {std::vector<std::string>{"--dtype", "int8"},
                                                     {"--dtype", "int4", "--output-dtype", "int8"},
                                                     {"--kv-dtype", "f16"},
                                                     {"--kv-dtype", "bf16", "--threads", "2"},
                                                     {"--kv-dtype", "int8"}}) {
        CAPTURE(rounding);
        std::vector<std::string> arguments{"--json"};
        arguments.insert(arguments.end(), rounding.begin(), rounding.end());
        const auto j = complete(arguments).json();
        CHECK(j.at("ids").size() == complete({"--json"}).json().at("ids").size());
        CHECK_FALSE(j.at("text").get<std::string>().empty());
    }
}

TEST_CASE("a gate fitted in another format than the weights' is refused", "[cli][complete]") {
    CHECK(complete({"--dtype", "int4", "--exit-gate", "sec"}).refused(1, {"exits.safetensors", "f32", "int4"}));
}

TEST_CASE("numbers are decimal", "[cli][complete]") {
    CHECK(earlyout_command({"complete", "--prompt", prompt, "--max-new-tokens", "010", "--json"})
              .json()
              .at("ids")
              .size() == 10);
}

TEST_CASE("threads change nothing", "[cli][complete]") {
    CHECK(complete({"--json", "--threads", "2"}).json().at("ids") == complete({"--json"}).json().at("ids"));
}

TEST_CASE("compare measures both sides", "[cli][complete]") {
    const auto j = complete({"--json", "--compare", "--rounds", "2", "--exit-gate", "fixed", "--exit-layers", "2"})
                       .json()
                       .at("compare");
    CHECK(j.at("rounds") == 2);
    CHECK(j.at("speedup") > 0.0);
    CHECK(j.at("early_exit").at("samples").at("seconds").size() == 2);
    CHECK(j.at("full_depth").at("new_tokens") == 12);
}

TEST_CASE("a prompt too long is refused, or cut when asked", "[cli][complete]") {
    std::string text;
    for (int i = 0; i < 400; ++i) text += "x = " + std::to_string(i) + "\n";
    CHECK(complete({"--json"}, text).refused(1, {"prompt", "512", "--cut-prompt"}));
    CHECK(complete({"--json", "--cut-prompt"}, text).json().at("ids").size() == 12);
}

TEST_CASE("a prompt that fits is not cut, one that does not says what was", "[cli][complete]") {
    const auto with = [](const std::string& text, std::vector<std::string> more) {
        more.insert(more.begin(), {"complete", "--prompt", text, "--capacity", "64", "--json"});
        return earlyout_command(std::move(more)).json();
    };
    const std::string fits = "def read_file(path, mode):\n    return open(path";
    const auto plain = with(fits, {"--max-new-tokens", "64"});
    const auto cut = with(fits, {"--max-new-tokens", "64", "--cut-prompt"});
    CHECK(cut.at("ids") == plain.at("ids"));
    CHECK(cut.at("stats").at("prompt_tokens") == plain.at("stats").at("prompt_tokens"));
    CHECK(cut.at("stats").at("cut_tokens") == 0);
    std::string text;
    for (int i = 0; i < 60; ++i) text += "x = " + std::to_string(i) + "\n";
    const auto stats = with(text, {"--max-new-tokens", "64", "--cut-prompt"}).at("stats");
    CHECK(stats.at("prompt_tokens") == 65 - 64 / 4);
    CHECK(stats.at("cut_tokens") > 0);
}

TEST_CASE("top-p 0 takes the most likely token", "[cli][complete]") {
    CHECK(complete({"--json", "--temperature", "0.8", "--top-p", "0"}).json().at("ids") ==
          complete({"--json"}).json().at("ids"));
}

TEST_CASE("a stop string that is a special token ends at that token", "[cli][complete]") {
    // Behind this the model ends the text, for which it would stop anyhow: the user's reason comes first.
    const auto j = complete({"--json", "--stop", "<|endoftext|>"}, "    sys.exit(main())").json();
    const auto& ids = j.at("ids");
    const bool ended = std::find(ids.begin(), ids.end(), 4095) != ids.end();
    CHECK(j.at("finish_reason") == (ended ? "stop_string" : "max_new_tokens"));
}

TEST_CASE("logits that are not numbers are an error", "[cli][complete]") {
    const support::temporary_folder folder;
    folder.copy(EARLYOUT_EXAMPLE_MODEL);
    std::filesystem::remove(folder / "exits.safetensors");
    std::string bytes = folder.read("model.safetensors");
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    const auto at = nlohmann::json::parse(bytes.substr(8, header)).at("transformer.ln_f.weight").at("data_offsets");
    for (std::size_t i = at[0]; i < at[1]; i += 2) {
        const std::uint16_t large = 0x7f61;  // 3e38 in bfloat16
        std::memcpy(bytes.data() + 8 + header + i, &large, sizeof large);
    }
    folder.write("model.safetensors", bytes);
    const std::string model = folder.path().string();
    const std::vector<std::string> words{"logits after layer", "expected numbers", "NaN"};
    const std::vector<std::string> base{"complete", "--model", model, "--prompt", "x = 1", "--json"};
    for (const std::vector<std::string>& more : {std::vector<std::string>{},
                                                 {"--temperature", "0.8"},
                                                 {"--temperature", "0.8", "--top-p", "0.9"},
                                                 {"--temperature", "0.8", "--top-k", "5", "--min-p", "0.1"},
                                                 {"--exit-gate", "margin"},
                                                 {"--exit-gate", "entropy", "--kv", "defer", "--prefill", "lazy"}}) {
        std::vector<std::string> arguments = base;
        arguments.insert(arguments.end(), more.begin(), more.end());
        const auto r = earlyout_command(arguments);
        CAPTURE(more, r);
        CHECK(r.refused(1, words));
        CHECK(r.err.find(model) != std::string::npos);
    }
    CHECK(earlyout_command({"logits", "--model", model, "--ids", "1,2"}).refused(1, words));
    // Texts of which each part of the corpus gets some.
    std::filesystem::create_directory(folder / "texts");
    for (int i = 0; i < 24; ++i) {
        folder.write("texts/" + std::to_string(i) + ".py", "x = " + std::to_string(i) + std::string(200, '1'));
    }
    CHECK(earlyout_command(
              {"fit", "--model", model, "--text", (folder / "texts").string(), "--out", (folder / "exits").string()})
              .refused(1, words));
}
