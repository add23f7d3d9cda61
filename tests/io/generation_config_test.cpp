// SPDX-License-Identifier: MIT
#include <earlyout/io/generation_config.hpp>

#include <earlyout/io/load.hpp>
#include <earlyout/io/packed_writer.hpp>
#include <earlyout/io/safetensors_writer.hpp>
#include <earlyout/models/gpt2.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/gguf.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;

TEST_CASE("a model without settings adds nothing and never ends", "[io][generation_config]") {
    const eo::io::generation_config none;
    CHECK_FALSE(none.add_bos);
    CHECK_FALSE(none.bos_token_id);
    CHECK(none.eos_token_ids.empty());
    CHECK_FALSE(none.chat_template);
}

namespace {

namespace io = earlyout::io;

/// What a folder with these files has for a chat template.
std::optional<std::string> folder_template(const std::string& tokenizer_config, const char* jinja = nullptr) {
    const support::temporary_folder folder;
    const std::vector<float> one{1.0f};
    const std::vector<earlyout::tensor_view> tensors{{"a", earlyout::dtype::f32, {1}, std::as_bytes(std::span(one))}};
    folder.write("model.safetensors", io::safetensors_bytes(tensors));
    folder.write("config.json", "{}");
    folder.write("tokenizer_config.json", tokenizer_config);
    if (jinja != nullptr) folder.write("chat_template.jinja", jinja);
    return io::read_text(io::hugging_face_checkpoint(folder.path())).generation.chat_template;
}

}  // namespace

TEST_CASE("a folder's chat template is that of its own file, or the default one of its settings",
          "[io][generation_config]") {
    CHECK(folder_template("{}") == std::nullopt);
    CHECK(folder_template(R"({"chat_template": null})") == std::nullopt);
    CHECK(folder_template(R"({"chat_template": "{{ a }}"})") == "{{ a }}");
    CHECK(folder_template(R"({"chat_template": "{{ a }}"})", "{{ b }}\n") == "{{ b }}\n");
    CHECK(folder_template(R"({"chat_template": [{"name": "tool_use", "template": "t"},
        {"name": "default", "template": "d"}, {"name": "default", "template": "e"}]})") == "d");
    CHECK(folder_template(R"({"chat_template": [{"name": "tool_use", "template": "t"}]})") == std::nullopt);
    const auto refused = [](const std::string& config) {
        return support::error_of([&] { (void)folder_template(config); });
    };
    using earlyout::errc;
    CHECK(refused(R"({"chat_template": 3})") ==
          support::thrown(errc::malformed_file, {"tokenizer_config.json", "chat_template", "found number"}));
    CHECK(refused(R"({"chat_template": [3]})") ==
          support::thrown(errc::malformed_file, {"tokenizer_config.json", "'name' and 'template'", "found number"}));
    CHECK(refused(R"({"chat_template": [{"name": "default", "template": 1}]})") ==
          support::thrown(errc::malformed_file, {"chat_template", "a string as 'template'"}));
}

TEST_CASE("a GGUF file's chat template is read, and a packed file keeps it", "[io][generation_config]") {
    support::gguf_builder made;
    made.set("general.architecture", "llama").set("tokenizer.chat_template", "{{ g }}");
    const std::string bytes = made.bytes();
    const io::gguf_checkpoint from(std::as_bytes(std::span(bytes)), "m.gguf");
    CHECK(io::read_generation_config(from).chat_template == "{{ g }}");

    const support::temporary_folder folder;
    std::filesystem::copy(EARLYOUT_TEST_DATA "/gpt2/tiny", folder / "model", std::filesystem::copy_options::recursive);
    const auto model = folder / "model";
    CHECK(io::load<earlyout::gpt2<>>(model).chat_template() == std::nullopt);
    folder.write("model/chat_template.jinja", "{{ \"p\" }}");
    CHECK(io::load<earlyout::gpt2<>>(model).chat_template() == "{{ \"p\" }}");
    (void)io::write_packed<earlyout::gpt2<>>(folder / "m.packed", model, {}, {});
    CHECK(io::load_packed<earlyout::gpt2<>>(folder / "m.packed").chat_template() == "{{ \"p\" }}");
}
