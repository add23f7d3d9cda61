// SPDX-License-Identifier: MIT
#include <earlyout/earlyout.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/gpt2.hpp>

#include <cmath>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "support/catch.hpp"
#include "support/gguf.hpp"
#include "support/golden.hpp"
#include "support/reference.hpp"

namespace eo = earlyout;
using support::command_result;
using support::earlyout_command;

namespace {

std::string list_of(const nlohmann::json& ids) {
    std::string list;
    for (const int id : ids) list += (list.empty() ? "" : ",") + std::to_string(id);
    return list;
}

}  // namespace

TEST_CASE("a gguf file is a model like a folder, its matrices as they are stored", "[cli][gguf]") {
    support::gguf_builder made;
    made.set("general.architecture", "gpt2").set("gpt2.block_count", 1u).set("gpt2.embedding_length", 32u);
    made.set("gpt2.feed_forward_length", 32u).set("gpt2.attention.head_count", 2u).set("gpt2.context_length", 8u);
    const auto vector = [&](const std::string& name, std::size_t size, float value) {
        made.floats(name, {size}, std::vector<float>(size, value));
    };
    const auto matrix = [&](const std::string& name, std::size_t rows) {
        std::string blocks(rows * 34, '\5');
        for (std::size_t i = 0; i < blocks.size(); i += 34) blocks[i + 1] = 0x20;
        made.tensor(name, {rows, 32}, 8, blocks);
    };
    matrix("token_embd.weight", 12);
    made.floats("position_embd.weight", {8, 32}, std::vector<float>(8 * 32, 0.5f));
    for (const std::string norm : {"output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"}) {
        vector(norm + ".weight", 32, 1.0f);
        vector(norm + ".bias", 32, 0.0f);
    }
    for (const std::string name : {"attn_qkv", "attn_output", "ffn_up", "ffn_down"}) {
        const std::size_t rows = name == "attn_qkv" ? 96 : 32;
        matrix("blk.0." + name + ".weight", rows);
        vector("blk.0." + name + ".bias", rows, 0.0f);
    }
    const support::temporary_folder folder;
    folder.write("m.gguf", made.bytes());
    const std::string path = (folder / "m.gguf").string();
    const auto seen = earlyout_command({"inspect", "--json", "--model", path}).json();
    CHECK(seen.at("architecture") == "gpt2");
    CHECK(seen.at("shape").at("vocab") == 12);
    CHECK(seen.at("computed_in") == "int8");
    CHECK(seen.at("dtypes").at("Q8_0").at("tensors") == 5);
    CHECK(seen.at("tokenizer").is_null());
    CHECK(earlyout_command({"logits", "--json", "--model", path, "--ids", "1,2"}).json().at("logits").size() == 12);
    CHECK(earlyout_command({"complete", "--model", path, "--prompt", "a"}).refused(1, {"m.gguf", "tokenizer"}));
    folder.write("m.gguf", made.bytes().substr(0, 100));
    CHECK(earlyout_command({"inspect", "--model", path}).refused(1, {"m.gguf", "left"}));
}

TEST_CASE("tokenize and detokenize are each other's inverse, byte for byte", "[cli][tokens]") {
    for (const std::string& written :
         {std::string("def f(x):\n    return x"), std::string("\xe6\xbc\xa2\xf0\x9f\x98\x80\r\n\t "),
          std::string("\xff\xfe\x80 broken"), std::string("<|endoftext|>x")}) {
        const support::temporary_folder folder;
        folder.write("text", written);
        const command_result tokens = earlyout_command({"tokenize", "--file", (folder / "text").string(), "--json"});
        REQUIRE(tokens.status == 0);
        const std::string ids = list_of(tokens.json().at("ids"));
        const command_result back = earlyout_command({"detokenize", "--ids", ids});
        CHECK(back.out == written);
        CHECK(earlyout_command({"tokenize"}, written).out == ids + "\n");
    }
    CHECK(earlyout_command({"tokenize", "--text", "", "--json"}).json().at("ids").empty());
    CHECK(earlyout_command({"detokenize", "--ids", "97,98", "--json"}).json().at("text") == "ab");
}

TEST_CASE("every byte goes there and back", "[cli][tokens]") {
    std::string bytes;
    for (int b = 0; b < 512; ++b) bytes += static_cast<char>(b % 256);
    std::string ids = earlyout_command({"tokenize"}, bytes).out;
    REQUIRE_FALSE(ids.empty());
    ids.pop_back();
    CHECK(earlyout_command({"detokenize", "--ids", ids}).out == bytes);
    // JSON is text: what is not becomes U+FFFD.
    const std::string half = earlyout_command({"tokenize"}, "\xff").json().dump();
    CHECK(earlyout_command({"detokenize", "--json", "--ids", half}).json().at("text") == "\xef\xbf\xbd");
}

TEST_CASE("logits are the reference's at every layer", "[cli][logits]") {
    for (const std::string name : {"odd_untied", "sharded_bf16"}) {
        const support::golden expected(name);
        const nlohmann::json ids = expected.ids;
        for (std::size_t layer = 1; layer <= expected.layers; ++layer) {
            const auto found = earlyout_command({"logits", "--model", support::golden_folder(name).string(), "--ids",
                                                 list_of(ids), "--exit-layer", std::to_string(layer), "--json"})
                                   .json()
                                   .at("logits")
                                   .get<std::vector<double>>();
            const auto row = expected.logits(layer, expected.ids.size() - 1);
            CAPTURE(name, layer);
            CHECK(support::reference::distance(found, {row.begin(), row.end()}) < 1e-4);
        }
    }
}

TEST_CASE("logits are the library's", "[cli][logits]") {
    const auto model = eo::io::load<eo::gpt2<>>(EARLYOUT_EXAMPLE_MODEL);
    const std::vector<eo::token_id> ids{5, 600, 7, 4000};
    for (const std::size_t layer : {2u, 8u}) {
        const eo::exit_policy policy{eo::exit_plan{eo::exit_layers(std::vector{layer}), eo::always_exit{}},
                                     eo::shared_head{}, eo::defer{.prefill = eo::prefill::lazy}};
        eo::session s{model, policy};
        const eo::completion first = s.complete(ids, {.max_new_tokens = 1});
        const auto logits =
            earlyout_command({"logits", "--ids", "5,600,7,4000", "--exit-layer", std::to_string(layer), "--json"})
                .json()
                .at("logits")
                .get<std::vector<float>>();
        REQUIRE(logits.size() == 4096);
        const auto best = std::max_element(logits.begin(), logits.end());
        CHECK(best - logits.begin() == first.ids.at(0));
        double sum = 0.0;
        for (const float x : logits) sum += std::exp(static_cast<double>(x - *best));
        CHECK_THAT(-std::log(sum), Catch::Matchers::WithinAbs(first.log_probabilities.at(0), 1e-4));
    }
    const command_result table = earlyout_command({"logits", "--ids", "1"});
    CHECK(table.out.find("logit") != std::string::npos);
}

TEST_CASE("inspect describes the model and its exits", "[cli][inspect]") {
    const auto j = earlyout_command({"inspect", "--json"}).json();
    CHECK(j.at("architecture") == "gpt2");
    CHECK(j.at("shape").at("layers") == 8);
    CHECK(j.at("parameters") == 3211840);
    CHECK(j.at("computed_in") == "bf16");
    CHECK(j.at("dtypes").at("BF16").at("tensors") == 100);
    CHECK(j.at("exits").at("layers") == nlohmann::json{1, 2, 3, 4, 5, 6, 7});
    CHECK(j.at("tensors").size() == 100);
    const auto& bytes = j.at("bytes");
    const auto part = [&](const char* name) { return bytes.at(name).get<std::size_t>(); };
    CHECK(part("layers") == 8 * part("layer"));
    CHECK(part("per_token") == part("layers") + part("output"));
    CHECK(part("total") == part("per_token") + part("embeddings"));
    CHECK(part("total") > 2 * 3211840);
    CHECK(part("keys_and_values_per_token") == 8 * 2 * 160 * 4);
    CHECK(j.at("memory").at("weights") == part("total"));
    CHECK(j.at("memory").at("capacity") == 512);
    CHECK(j.at("memory").at("kv_cache") == 512 * part("keys_and_values_per_token"));
    const auto small = earlyout_command({"inspect", "--json", "--dtype", "int4", "--output-dtype", "int8"}).json();
    CHECK(small.at("computed_in") == "int4, output int8");
    CHECK(small.at("bytes").at("layer").get<std::size_t>() * 3 < part("layer"));
    const command_result table = earlyout_command({"inspect"});
    for (const char* word : {"gpt2", "3211840", "BF16", "after layers", "read per token", "to complete"})
        CHECK(table.out.find(word) != std::string::npos);

    const auto bare =
        earlyout_command({"inspect", "--json", "--model", EARLYOUT_TEST_DATA "/gpt2/sharded_bf16"}).json();
    CHECK(bare.at("exits").is_null());
    CHECK(bare.at("tokenizer").is_null());
    const command_result listed =
        earlyout_command({"inspect", "--tensors", "--model", EARLYOUT_TEST_DATA "/gpt2/tiny"});
    CHECK(listed.status == 0);
    for (const char* word : {"none fitted", "wte.weight", "F32"}) CHECK(listed.out.find(word) != std::string::npos);
}

TEST_CASE("quantize --quiet writes the file and nothing else", "[cli][quantize]") {
    const support::temporary_folder folder;
    const std::string file = (folder / "tiny.packed").string();
    const std::vector<std::string> call{"quantize", "--model", EARLYOUT_TEST_DATA "/gpt2/tiny", "--out", file};
    CHECK(earlyout_command(call).out.starts_with("Wrote " + file));
    std::vector<std::string> quietly = call;
    quietly.emplace_back("--quiet");
    const command_result r = earlyout_command(quietly);
    CHECK(r.status == 0);
    CHECK((r.out.empty() && r.err.empty()));
    CHECK(earlyout_command({"logits", "--model", file, "--ids", "1", "--json"}).status == 0);
}

TEST_CASE("bench prints medians and what they are of", "[cli][bench]") {
    const auto j = earlyout_command({"bench", "--prompt-tokens", "16", "--new-tokens", "4", "--exit-layer", "2",
                                     "--rounds", "3", "--threads", "2", "--json"})
                       .json();
    for (const char* key : {"prefill_tokens_per_s", "decode_tokens_per_s", "head_seconds_per_token"}) {
        CHECK(j.at(key) > 0.0);
        CHECK(j.at("samples").at(key).size() == 3);
    }
    CHECK(j.at("samples").at("head_seconds_per_token")[0].get<double>() *
              j.at("samples").at("decode_tokens_per_s")[0].get<double>() <
          1.0);
    CHECK(j.at("prompt_tokens") == 16);
    CHECK(j.at("new_tokens") == 4);
    CHECK(j.at("threads") == 2);
    CHECK(j.at("dtype") == "bf16");  // as the model is stored
    const std::string table = earlyout_command({"bench", "--prompt-tokens", "4", "--new-tokens", "2"}).out;
    for (const char* word : {"decode", "ms per token", "output matrix", " thread"})
        CHECK(table.find(word) != std::string::npos);
}

TEST_CASE("help and version", "[cli]") {
    const command_result help = earlyout_command({"--help"});
    CHECK(help.status == 0);
    for (const char* name : {"complete", "logits", "tokenize", "detokenize", "inspect", "bench"}) {
        CHECK(help.out.find(name) != std::string::npos);
        const command_result own = earlyout_command({name, "--help"});
        CHECK(own.status == 0);
        CHECK(own.out.find("--json") != std::string::npos);
    }
    CHECK(earlyout_command({"--version"}).out.find(eo::version) != std::string::npos);
}
