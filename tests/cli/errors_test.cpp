// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "support/catch.hpp"

#include <fcntl.h>
#include <unistd.h>

using support::earlyout_command;

namespace {

struct misuse {
    int status;
    std::vector<std::string> arguments;
    std::vector<std::string> words;
};

}  // namespace

TEST_CASE("what is asked for wrongly is answered with one sentence", "[cli][errors]") {
    const std::vector<misuse> cases = {
        {2, {}, {"subcommand"}},
        {2, {"nonsense"}, {"'nonsense'", "complete, logits"}},
        {2, {"complete", "--prompt"}, {"--prompt"}},
        {2, {"complete", "--prompt", "a", "--no-such-option"}, {"--no-such-option"}},
        {2, {"complete", "--prompt", "a", "--max-new-tokens", "x"}, {"--max-new-tokens", "x"}},
        {2, {"complete", "--prompt", "a", "--max-new-tokens", "-1"}, {"--max-new-tokens", "from 0", "-1"}},
        {2, {"complete", "--prompt", "a", "--max-new-tokens", "3.5"}, {"--max-new-tokens", "from 0", "'3.5'"}},
        {2, {"complete", "--prompt", "a", "--max-new-tokens", "0x10"}, {"--max-new-tokens", "from 0", "'0x10'"}},
        {2, {"complete", "--prompt", "a", "--max-new-tokens", "0"}, {"--max-new-tokens: ", "at least 1", "0"}},
        {2,
         {"complete", "--prompt", "a", "--seed", "99999999999999999999"},
         {"--seed", "at most", "99999999999999999999"}},
        {2, {"complete", "--prompt", "a", "--threads", "100000"}, {"--threads: ", "100000"}},
        {2, {"complete", "--prompt", "a", "--temperature", "nan"}, {"--temperature: ", "nan"}},
        {2, {"complete", "--prompt", "a", "--stop", ""}, {"--stop: ", "none"}},
        {2, {"complete", "--prompt", "a", "--dtype", "fp16"}, {"--dtype", "fp16", "bf16"}},
        {2, {"complete", "--prompt", "a", "--rounds", "3"}, {"--compare"}},
        {2, {"complete", "--prompt", "a", "--exit-gate", "margin", "--threshold", "nan"}, {"--threshold", "nan"}},
        {2,
         {"complete", "--prompt", "a", "--exit-gate", "patience", "--threshold", "1.5"},
         {"--threshold", "whole number from 1", "patience", "found 1.5"}},
        {2, {"complete", "--prompt", "a", "--exit-gate", "patience", "--threshold", "0"}, {"--threshold", "found 0"}},
        {2, {"complete", "--prompt", "a", "--exit-gate", "patience", "--threshold", "-2"}, {"--threshold", "found -2"}},
        {2, {"complete", "--prompt", "a", "and", "more"}, {"more"}},
        {1, {"complete", "--prompt", "a", "--suffix", "b"}, {"--suffix", "fill-in-the-middle", "none"}},
        {2, {"complete", "--prompt", "a", "--suffix", "b", "--compare"}, {"--compare", "--suffix"}},
        {1, {"complete", "--file", "/"}, {"/", "found a folder"}},
        {1,
         {"complete", "--model", EARLYOUT_COMMAND, "--prompt", "a"},
         {EARLYOUT_COMMAND, "GGUF or packed file", "ELF"}},
        {2, {"complete", "--prompt", "a", "--threads", "-2"}, {"--threads", "from 0", "-2"}},
        {2, {"complete", "--prompt", "a", "--max-time", "0"}, {"--max-time", "> 0"}},
        {2, {"complete", "--prompt", "a", "--exit-gate", "margin", "--threshold", "1.5"}, {"--threshold", "0 to 1"}},
        {2, {"complete", "--prompt", "a", "--exit-gate", "entropy", "--threshold", "-1"}, {"--threshold", "from 0"}},
        {2, {"complete", "--prompt", "a", "--exit-gate", "sec", "--stop-threshold", "2"}, {"--stop-threshold", "2"}},
        {2,
         {"complete", "--prompt", "a", "--exit-gate", "margin", "--stop-threshold", "0.5"},
         {"--stop-threshold", "margin"}},
        {2,
         {"complete", "--prompt", "a", "--exit-gate", "learn-to-exit", "--check-margin", "7"},
         {"--check-margin", "7"}},
        {2, {"complete", "--prompt", "a", "--exit-gate", "foo"}, {"foo", "margin"}},
        {2, {"complete", "--prompt", "a", "--exit-layers", "2"}, {"--exit-gate"}},
        {2, {"complete", "--prompt", "a", "--exit-gate", "fixed", "--exit-layers", "0"}, {"from 1", "0"}},
        {2, {"complete", "--prompt", "a", "--exit-gate", "fixed", "--exit-layers", "2,x"}, {"--exit-layers", "x"}},
        {1, {"complete", "--prompt", "a", "--exit-gate", "fixed", "--exit-layers", "9"}, {"1 .. 8", "9"}},
        {2, {"complete", "--prompt", "a", "--prefill", "lazy"}, {"--kv defer"}},
        {2, {"complete", "--prompt", "a", "--threads", "0"}, {"--threads: ", "0"}},
        {2, {"complete", "--prompt", "a", "--temperature", "-1"}, {"--temperature: ", "-1"}},
        {2, {"complete", "--prompt", "a", "--top-p", "2"}, {"--top-p: ", "2"}},
        {2, {"complete", "--prompt", "a", "--file", "b"}, {"--file"}},
        {1, {"complete", "--file", "/no/such/file"}, {"/no/such/file"}},
        {1, {"complete", "--model", "/no/such/folder", "--prompt", "a"}, {"/no/such/folder"}},
        {2, {"logits"}, {"--ids"}},
        {2, {"logits", "--ids", "5,a"}, {"'5,a'"}},
        {2, {"logits", "--ids", ""}, {"--ids"}},
        {2, {"logits", "--ids", "5,,6"}, {"'5,,6'"}},
        {2, {"logits", "--ids", "2147483648"}, {"2147483648"}},
        {2, {"logits", "--ids", "5", "--exit-layer", "0"}, {"--exit-layer", "from 1", "'0'"}},
        {2, {"logits", "--ids", "5", "--exit-layer", "-1"}, {"--exit-layer", "from 1", "'-1'"}},
        {1, {"logits", "--ids", "5,4096"}, {"0 .. 4095", "4096"}},
        {1, {"logits", "--ids", "5,-1"}, {"-1"}},
        {1, {"logits", "--ids", "5", "--exit-layer", "9"}, {"9"}},
        {1, {"detokenize", "--ids", "99999"}, {"99999"}},
        {1, {"detokenize", "--ids", "-1"}, {"-1"}},
        {2, {"bench", "--rounds", "0"}, {"--rounds", "1"}},
        {1, {"bench", "--new-tokens", "0"}, {"--new-tokens", "1 .. 512", "0"}},
        {2, {"bench", "--exit-layer", "0"}, {"--exit-layer", "from 1", "'0'"}},
        {1, {"bench", "--exit-layer", "9"}, {"1 .. 8", "9"}},
        {2, {"bench", "--dtype", "int3"}, {"f32", "int3"}},
        {1, {"bench", "--prompt-tokens", "1000"}, {"512", "1000"}},
        {1, {"inspect", "--model", "/"}, {"config.json"}},
        {1, {"inspect", "--model", "Qwen/Qwen2.5-Coder-0.5B"}, {"nothing is downloaded"}},
    };
    for (const misuse& m : cases) {
        const auto result = earlyout_command(m.arguments);
        std::string line;
        for (const std::string& argument : m.arguments) line += argument + ' ';
        CAPTURE(line, result);
        CHECK(result.refused(m.status, m.words));
    }
}

TEST_CASE("more tokens than the context are refused", "[cli][errors]") {
    std::string ids = "5";
    for (int i = 1; i < 513; ++i) ids += ",5";
    CHECK(earlyout_command({"logits", "--ids", ids}).refused(1, {"--ids", "512", "513"}));
}

TEST_CASE("output that cannot be written is an error, a reader who left is none", "[cli][errors]") {
    const std::vector<std::vector<std::string>> calls = {
        {"complete", "--prompt", "a", "--max-new-tokens", "3"},
        {"complete", "--prompt", "a", "--max-new-tokens", "3", "--json"},
        {"inspect"},
        {"tokenize", "--text", "a"},
        {"--help"},
        {"--version"},
    };
    for (const auto& call : calls) {
        CAPTURE(call);
        const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
        REQUIRE(full >= 0);
        const auto failed = earlyout_command(call, "", full);
        ::close(full);
        CHECK(failed.status == 1);
        CHECK(failed.err.ends_with("earlyout: standard output: cannot be written\n"));

        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        ::close(ends[0]);
        const auto unread = earlyout_command(call, "", ends[1]);
        ::close(ends[1]);
        CHECK(unread.status == 0);
        CHECK(unread.err.find("earlyout:") == std::string::npos);
    }
}

TEST_CASE("an empty prompt is refused", "[cli][errors]") {
    CHECK(earlyout_command({"complete", "--prompt", ""}).refused(2, {"prompt", "found none"}));
    CHECK(earlyout_command({"complete"}, "").refused(2, {"prompt", "found none"}));
}

TEST_CASE("broken model files are named", "[cli][errors]") {
    const std::string tiny = EARLYOUT_TEST_DATA "/gpt2/tiny";
    const auto inspect = [](const support::temporary_folder& folder) {
        return earlyout_command({"inspect", "--model", folder.path().string()});
    };
    support::temporary_folder folder;
    folder.copy(tiny);
    const std::string weights = folder.read("model.safetensors");
    REQUIRE(inspect(folder).status == 0);
    for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{100}, weights.size() - 1}) {
        folder.write("model.safetensors", weights.substr(0, size));
        CHECK(inspect(folder).refused(1, {"model.safetensors"}));
    }
    folder.write("model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x7f{}");  // a header of 2^63 bytes
    CHECK(inspect(folder).refused(1, {"model.safetensors"}));
    folder.write("model.safetensors", weights);
    folder.write("config.json", "{\"model_type\":\"bert\"}");
    CHECK(inspect(folder).refused(1, {"'model_type'", "gpt2, llama", "'bert'"}));
    folder.write("config.json", "{");
    CHECK(inspect(folder).refused(1, {"config.json"}));
    // A text needs a tokenizer.
    support::temporary_folder without;
    without.copy(tiny);
    CHECK(earlyout_command({"complete", "--model", without.path().string(), "--prompt", "a"})
              .refused(1, {"tokenizer.json"}));
}
