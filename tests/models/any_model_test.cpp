// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/models/any_model.hpp>

#include <cstddef>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"
#include "support/lacking.hpp"

namespace eo = earlyout;
using support::golden;
using support::tolerance;
using support::worst;

namespace {

eo::any_model read(const std::string& name, eo::any_format format = {}) {
    return eo::any_model::from_checkpoint(eo::io::hugging_face_checkpoint(support::golden_folder(name)), format);
}

}  // namespace

TEST_CASE("every architecture computes what PyTorch computes, at every exit layer", "[models]") {
    const std::string name = GENERATE(from_range(support::golden_families()));
    INFO(name);
    const golden expected(name);
    const eo::any_model model = read(name);
    CHECK(name.starts_with(std::string(model.architecture()).substr(0, 5)));
    REQUIRE(model.shape().layers == expected.layers);
    for (const std::size_t block : {1u, 5u, 64u}) {
        INFO("block " << block);
        CHECK(worst(model, expected, {1000}, block) < tolerance);           // prefill
        CHECK(worst(model, expected, {6, 1, 1, 4, 1}, block) < tolerance);  // a prompt, tokens, more prompt, tokens
    }
    eo::thread_pool pool(3);
    CHECK(worst(model, expected, {7, 1}, 16, pool) < tolerance);
}

TEST_CASE("any_model supports GPT-2 too", "[models]") {
    const eo::any_model model = read("odd_untied");
    CHECK(model.architecture() == "gpt2");
    CHECK(worst(model, golden("odd_untied"), {1000}, 16) < tolerance);
    CHECK(model.weight_format() == "f32");
    CHECK(read("odd_untied", eo::int8{}).weight_format() == "int8");
}

TEST_CASE("a model of an unsupported architecture is refused by name", "[models][errors]") {
    const auto reading = [](const char* type) {
        return support::error_of([&] {
            (void)eo::any_model::from_checkpoint(
                support::editable_copy("odd_untied").set("model_type", std::string(type)));
        });
    };
    CHECK(reading("mamba2") ==
          support::thrown(eo::errc::unsupported, {"'model_type'", "gpt2, llama, mistral, qwen2", "'mamba2'"}));
    using some = eo::any_model_of<eo::llama_architecture, eo::qwen3_architecture>;
    CHECK(support::error_of([&] { (void)some::from_checkpoint(support::editable_copy("odd_untied")); }) ==
          support::thrown(eo::errc::unsupported, {"one of llama, qwen3", "'gpt2'"}));
}

TEST_CASE("a checkpoint that lacks a tensor is refused by its name, or does not need it", "[models][errors]") {
    for (const std::string& name : support::golden_families()) {
        const auto whole = support::editable_copy(name);
        std::size_t refused = 0;
        support::golden_tensors(name, [&](const eo::tensor_view& tensor) {
            INFO(name << ": " << tensor.name);
            const auto problem = support::read_error<eo::any_model>(support::lacking(whole, {tensor.name}));
            if (problem.code == "none") return;
            CHECK(problem.code == "missing_tensor");
            ++refused;
        });
        CHECK(refused > 8);
    }
}
