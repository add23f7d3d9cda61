// SPDX-License-Identifier: MIT
// Any bytes are a configuration with which small checkpoints of each architecture load and run, or one earlyout::error.
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/json_config.hpp>
#include <earlyout/text/json.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "fuzz/run_model.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace eo = earlyout;

/// The tensors of one checkpoint with the configuration of another.
class reconfigured final : public eo::checkpoint {
public:
    reconfigured(eo::io::json_config config, const eo::checkpoint& tensors)
        : config_(std::move(config)), tensors_(tensors) {}

    std::string source() const override { return "fuzz"; }
    const eo::configuration& config() const override { return config_; }
    const eo::tensor_view* find(std::string_view name) const override { return tensors_.find(name); }

private:
    eo::io::json_config config_;
    const eo::checkpoint& tensors_;
};

/// One small checkpoint of each architecture, by the name of it.
const eo::checkpoint& tensors_of(const std::string& architecture) {
    static const std::map<std::string, eo::io::hugging_face_checkpoint> all = [] {
        std::map<std::string, eo::io::hugging_face_checkpoint> made;
        const std::filesystem::path data(EARLYOUT_TEST_DATA);
        made.emplace("gpt2", data / "gpt2/tiny");
        made.emplace("llama", data / "families/llama3_scaled");
        for (const char* name :
             {"codegen", "gemma", "gemma2", "gpt_bigcode", "gpt_neox", "gpt_oss", "granite", "mixtral", "olmo2",
              "olmoe", "phi", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "smollm3", "stablelm", "starcoder2"})
            made.emplace(name, data / "families" / name);
        made.emplace("gemma3_text", data / "families/gemma3");
        made.emplace("mistral", data / "families/mistral_window");
        return made;
    }();
    const auto found = all.find(architecture);
    return found == all.end() ? all.begin()->second : found->second;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const std::string_view text(reinterpret_cast<const char*>(data), size);
        const eo::io::json_config config(eo::text::parse_json(text, "fuzz"), "fuzz");
        const std::string architecture = config.text("model_type").value_or("");
        fuzz::run(reconfigured(config, tensors_of(architecture)));
    } catch (const eo::error&) {
    }
    return 0;
}
