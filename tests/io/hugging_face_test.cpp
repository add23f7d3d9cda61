// SPDX-License-Identifier: MIT
#include <earlyout/earlyout.hpp>
#include <earlyout/io/hugging_face.hpp>
#include <earlyout/models/gpt2.hpp>

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::temporary_folder;
using support::thrown;

namespace {

using loaded = eo::io::pretrained<eo::gpt2<>>;

loaded load(const std::filesystem::path& folder) { return eo::io::load_hugging_face<eo::gpt2<>>(folder); }
support::caught loading(const std::filesystem::path& folder) {
    return error_of([&] { (void)load(folder); });
}
const std::string tiny = std::string(EARLYOUT_TEST_DATA) + "/gpt2/tiny";

/// Exits that belong to the model in a folder.
eo::exit_weights exits_for(const std::filesystem::path& folder) {
    const eo::io::hugging_face_checkpoint from(folder);
    const eo::model_shape shape = load(folder).network().shape();
    eo::exit_weights made;
    made.set_model({shape.layers, shape.d_model, shape.vocab, from.fingerprint(), "f32"});
    made.set_layers({1}).set("sec.weight", {3, shape.d_model}, std::vector<float>(3 * shape.d_model, 0.25f));
    return made;
}

}  // namespace

TEST_CASE("a whole folder is loaded: weights, tokenizer, defaults, exits", "[io][load]") {
    const loaded model = load(EARLYOUT_EXAMPLE_MODEL);
    CHECK(model.source() == EARLYOUT_EXAMPLE_MODEL);
    CHECK(model.network().shape().layers == 8);
    REQUIRE(model.has_tokenizer());
    CHECK(model.tokenizer().decode(model.tokenizer().encode("def f(x):\n\treturn x")) == "def f(x):\n\treturn x");
    CHECK(model.generation().eos_token_ids == std::vector<eo::token_id>{4095});
    REQUIRE(model.has_exits());
    CHECK(model.exits().linear("sec").inputs == 160);
    CHECK(model.exits().policy("sec").has_value());

    eo::session s{model, eo::exit_policy{eo::exit_plan{eo::after<4>(eo::margin{.threshold = 0.5f})}}};
    const eo::completion made = s.complete("import os\nimport ", {.max_new_tokens = 4});
    CHECK(made.ids.size() == 4);
    CHECK_FALSE(made.text.empty());
}

TEST_CASE("a model may be moved before sessions use it", "[io][load]") {
    loaded first = load(EARLYOUT_EXAMPLE_MODEL);
    eo::session direct{first};
    const std::vector<eo::token_id> prompt = first.tokenizer().encode("x = ");
    const auto expected = direct.complete(prompt, {.max_new_tokens = 5}).ids;
    const loaded second = std::move(first);
    eo::session moved{second};
    CHECK(moved.complete(prompt, {.max_new_tokens = 5}).ids == expected);
    CHECK(second.exits().linear("sec").outputs == 3);
}

TEST_CASE("without tokenizer and exits a model runs on ids", "[io][load]") {
    const loaded model = load(tiny);
    CHECK_FALSE(model.has_tokenizer());
    CHECK_FALSE(model.has_exits());
    CHECK(error_of([&] { (void)model.exits(); }) == thrown(errc::no_such_file, {"exits.safetensors", "no exits"}));
    eo::session s{model};
    CHECK(s.complete(std::vector<eo::token_id>{1, 0}, {.max_new_tokens = 3}).ids.size() == 3);
    CHECK(error_of([&] { (void)s.complete("text", {.max_new_tokens = 3}); }) ==
          thrown(errc::no_such_file, {"tokenizer.json"}));
}

TEST_CASE("exits are loaded with the model they were fitted to, and with no other", "[io][load]") {
    const temporary_folder folder;
    folder.copy(tiny);
    const eo::exit_weights fitting = exits_for(folder.path());
    eo::io::write_exits(folder / "exits.safetensors", fitting);
    REQUIRE(load(folder.path()).has_exits());
    CHECK(load(folder.path()).exits().linear("sec").weight[0] == 0.25f);

    const temporary_folder other;
    other.copy(EARLYOUT_TEST_DATA + std::string("/gpt2/odd_untied"));
    eo::io::write_exits(other / "exits.safetensors", fitting);
    CHECK(loading(other.path()) == thrown(errc::mismatch, {"exits.safetensors"}));

    // Same shape, other weights.
    std::string bytes = folder.read("model.safetensors");
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    folder.write("model.safetensors", bytes);
    const std::string found = eo::io::hugging_face_checkpoint(folder.path()).fingerprint();
    REQUIRE(found != fitting.model().fingerprint);
    CHECK(loading(folder.path()) ==
          thrown(errc::mismatch, {(folder / "exits.safetensors").string(), fitting.model().fingerprint, found}));

    folder.write("exits.safetensors", "nonsense");
    CHECK(loading(folder.path()) == thrown(errc::malformed_file, {"exits.safetensors"}));
}

TEST_CASE("exits fitted in f32 fit the formats that compute the same bits, and no other", "[io][load]") {
    // Stored in bfloat16: nothing is lost, so nothing changes.
    const auto half = eo::io::load_hugging_face<eo::gpt2<eo::bf16>>(EARLYOUT_EXAMPLE_MODEL);
    CHECK(half.network().weight_format() == "bf16");
    REQUIRE(half.has_exits());
    const loaded full = load(EARLYOUT_EXAMPLE_MODEL);
    CHECK(10 * half.network().layer_bytes(1) < 6 * full.network().layer_bytes(1));
    eo::session a{half};
    eo::session b{full};
    const eo::completion x = a.complete("import os\n", {.max_new_tokens = 6});
    const eo::completion y = b.complete("import os\n", {.max_new_tokens = 6});
    CHECK(x.ids == y.ids);
    CHECK(x.log_probabilities == y.log_probabilities);

    const eo::any_format lossless = eo::io::lossless_format(eo::io::hugging_face_checkpoint(EARLYOUT_EXAMPLE_MODEL));
    CHECK(lossless == eo::bf16{});
    CHECK(eo::io::lossless_format(eo::io::hugging_face_checkpoint(tiny)) == eo::f32{});
    const auto chosen = eo::io::load_hugging_face<eo::gpt2<eo::any_format>>(EARLYOUT_EXAMPLE_MODEL, lossless);
    CHECK(chosen.network().weight_format() == "bf16");
    eo::session c{chosen};
    CHECK(c.complete("import os\n", {.max_new_tokens = 6}).log_probabilities == x.log_probabilities);

    // Stored in f32: rounding makes it another model.
    const temporary_folder folder;
    folder.copy(tiny);
    CHECK_NOTHROW(eo::io::load_hugging_face<eo::gpt2<eo::bf16>>(folder.path()));
    eo::io::write_exits(folder / "exits.safetensors", exits_for(folder.path()));
    const auto rounded = eo::io::load_hugging_face<eo::gpt2<eo::bf16>>(folder.path());
    CHECK_FALSE(rounded.has_exits());
    CHECK(error_of([&] { (void)rounded.exits(); }) ==
          thrown(errc::mismatch, {"exits.safetensors", "weight formats f32", "loaded in bf16"}));
    CHECK(load(folder.path()).has_exits());
}

TEST_CASE("layers and output matrix may have different formats", "[io][load]") {
    using network = eo::gpt2<eo::any_format>;
    const auto mixed = eo::io::load_hugging_face<network>(EARLYOUT_EXAMPLE_MODEL, eo::int4{}, eo::int8{});
    const auto four = eo::io::load_hugging_face<network>(EARLYOUT_EXAMPLE_MODEL, eo::int4{});
    const auto eight = eo::io::load_hugging_face<network>(EARLYOUT_EXAMPLE_MODEL, eo::int8{});
    CHECK(mixed.network().weight_format() == "int4, output int8");
    CHECK(mixed.network().layer_bytes(1) == four.network().layer_bytes(1));
    CHECK(mixed.network().output_bytes() == eight.network().output_bytes());
    CHECK(four.network().output_bytes() < eight.network().output_bytes());
    CHECK_FALSE(mixed.has_exits());
    // 8 bits approximate 16 closely; each token's log-probability moves a little.
    const auto full = eo::io::load_hugging_face<network>(EARLYOUT_EXAMPLE_MODEL, eo::bf16{});
    const auto of = [](const auto& m) {
        return eo::session{m}.complete("import os\n", {.max_new_tokens = 1}).log_probabilities.front();
    };
    CHECK(std::abs(of(eight) - of(full)) < 0.1f);
    CHECK(std::abs(of(mixed) - of(full)) < 0.8f);
}

TEST_CASE("without generation_config.json, config.json specifies how texts end", "[io][load]") {
    const temporary_folder folder;
    folder.copy(EARLYOUT_EXAMPLE_MODEL);
    folder.write("generation_config.json", R"({"eos_token_id":[7,8]})");
    CHECK(load(folder.path()).generation().eos_token_ids == std::vector<eo::token_id>{7, 8, 4095});  // and by its name
    std::filesystem::remove(folder / "generation_config.json");
    CHECK(load(folder.path()).generation().eos_token_ids == std::vector<eo::token_id>{4095});
    std::filesystem::remove(folder / "exits.safetensors");
    CHECK_FALSE(load(folder.path()).has_exits());
}

TEST_CASE("a folder that is not a model is refused by name", "[io][load]") {
    const temporary_folder folder;
    CHECK(loading(folder / "absent") == thrown(errc::no_such_file, {(folder / "absent").string()}));
    folder.write("file", "x");
    CHECK(loading(folder / "file") ==
          thrown(errc::no_such_file, {(folder / "file").string(), "expected a folder with a model, found a file"}));
    CHECK(loading(folder.path()) == thrown(errc::no_such_file, {"config.json"}));

    folder.copy(tiny);
    folder.write("tokenizer.json", "{");
    CHECK(loading(folder.path()) == thrown(errc::malformed_file, {"tokenizer.json"}));
    std::filesystem::remove(folder / "tokenizer.json");
    folder.write("generation_config.json", R"({"eos_token_id":"none"})");
    CHECK(loading(folder.path()) == thrown(errc::malformed_file, {"generation_config.json", "eos_token_id"}));
    std::filesystem::remove(folder / "generation_config.json");
    std::filesystem::remove(folder / "model.safetensors");
    CHECK(loading(folder.path()) == thrown(errc::no_such_file, {"model.safetensors"}));
}
