// SPDX-License-Identifier: MIT
// Files whose structure was changed, and whose sizes were made to agree with that again, load and run within bounds, or
// are refused with one earlyout::error. Bounds are what the address sanitizer watches.
#include <earlyout/core/executor.hpp>
#include <earlyout/io/packed_writer.hpp>
#include <earlyout/models/any_model.hpp>
#include <earlyout/text/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/gguf.hpp"
#include "support/golden.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;

namespace {

class dice {
public:
    explicit dice(std::uint32_t seed) : engine_(seed) {}
    std::size_t below(std::size_t n) { return n == 0 ? 0 : engine_() % n; }
    std::uint64_t number(std::uint64_t near) {
        const std::uint64_t choices[] = {0,
                                         1,
                                         near + 1,
                                         near - 1,
                                         near * 2,
                                         near / 2,
                                         8,
                                         32,
                                         std::uint64_t{1} << 20,
                                         std::uint64_t{1} << 31,
                                         std::uint64_t{1} << 32,
                                         (std::uint64_t{1} << 63) - 1,
                                         ~std::uint64_t{0}};
        return choices[below(std::size(choices))];
    }
    std::string bytes(std::size_t size) {
        std::string made(size, '\0');
        for (char& c : made) c = static_cast<char>(engine_() >> 7 & 0x3f);  // finite in every type
        if (size > 0 && below(8) == 0) made[below(size)] = '\xff';
        return made;
    }

private:
    std::mt19937 engine_;
};

/// Changes one value somewhere in it.
void mutate(nlohmann::json& value, dice& roll) {
    if (value.is_structured() && !value.empty()) {
        auto at = value.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(roll.below(value.size())));
        if (roll.below(12) == 0) {
            value.erase(at);
        } else if (value.is_array() && roll.below(8) == 0) {
            std::reverse(value.begin(), value.end());
        } else {
            mutate(*at, roll);
        }
    } else if (value.is_number_integer()) {
        value = roll.number(value.get<std::uint64_t>());
    } else if (value.is_number()) {
        const double choices[] = {0.0, -1.0, 1e-320, 1e308, 0.5};
        value = choices[roll.below(std::size(choices))];
    } else if (value.is_boolean()) {
        value = !value.get<bool>();
    } else if (value.is_string()) {
        const std::string choices[] = {"",     "f32",  "int8",  "int4", "bf16", "F32",
                                       "Q8_0", "Q4_K", "llama", "gpt2", "gelu"};
        value = choices[roll.below(std::size(choices))];
    } else {
        value = 1;
    }
}

void run(const eo::any_model& model) {
    eo::inline_executor on;
    if (model.shape().context > 1 << 20 || model.shape().vocab > 1 << 20) return;
    eo::kv_cache cache(model.shape(), 3);
    eo::run_context context(model, 2, on);
    std::vector<float> row(model.shape().d_model), logits(model.shape().vocab);
    for (std::size_t token = 0; token < model.shape().vocab; ++token) {
        model.embed(static_cast<eo::token_id>(token), token % model.shape().context, row.data());
    }
    for (std::size_t position = 0; position < std::min<std::size_t>(3, model.shape().context); ++position) {
        model.embed(static_cast<eo::token_id>(position % model.shape().vocab), position, row.data());
        const eo::layer_token token{&cache, position, row.data()};
        model.run_layers(1, model.shape().layers, {&token, 1}, context);
        model.logits({row.data(), 1, row.size()}, {logits.data(), 1, logits.size()}, context);
    }
}

/// Outcomes of the files: both must occur, or the mutations are of no use.
struct outcomes {
    std::size_t loaded = 0, refused = 0;

    void load(const std::filesystem::path& path) {
        const auto found = support::error_of([&] {
            const auto model = eo::io::load<eo::any_model>(path, eo::any_format::as_stored());
            run(model.network());
            if (model.has_tokenizer()) (void)model.tokenizer().decode(model.tokenizer().encode("if x<s>:\n 12"));
        });
        CHECK(found.code != "other");
        CHECK(found.message.size() < 5000);
        ++(found.code == "none" ? loaded : refused);
    }
};

}  // namespace

TEST_CASE("packed files of any structure load and run, or are refused", "[io][packed][mutated]") {
    const support::temporary_folder folder;
    outcomes seen;
    for (const char* name : {"odd_untied", "llama_gqa", "codegen"}) {
        eo::io::write_packed<eo::any_model>(folder / "good", support::golden_folder(name), eo::any_format("int8"),
                                            eo::any_format("bf16"));
        const eo::io::safetensors_file file(folder / "good");
        const eo::io::safetensors& good = file.contents();
        for (std::uint32_t seed = 0; seed < 200; ++seed) {
            dice roll(seed);
            auto metadata = good.metadata();
            nlohmann::json shapes = nlohmann::json::parse(metadata.at("tensors"));
            std::vector<std::string> own;  // bytes of the tensors that were changed
            own.reserve(shapes.size());
            std::vector<eo::io::tensor_to_write> tensors;
            for (const auto& [key, type] : good.others()) {
                tensors.emplace_back(key, type, std::vector{good.bytes(key)->size()}, *good.bytes(key));
            }
            for (const auto& [key, view] : good.tensors()) {
                if (roll.below(4) != 0) {
                    tensors.emplace_back(view);
                    continue;
                }
                // Another type, with as many bytes as the elements have in it.
                const eo::dtype type = eo::all_dtypes[roll.below(std::size(eo::all_dtypes))].type;
                auto bytes =
                    std::as_bytes(std::span(own.emplace_back(roll.bytes(bytes_of(type, view.element_count())))));
                shapes[key][0] = to_string(type);
                const bool plain = block_elements(type) == 1;
                tensors.emplace_back(plain ? key : "blocks:" + key, plain ? to_string(type) : "U8",
                                     plain ? view.shape : std::vector{bytes.size()}, bytes);
            }
            metadata["tensors"] = shapes.dump();
            if (seed % 3 != 0) {
                const char* parts[] = {"tensors", "config", "matrices", "generation"};
                std::string& text = metadata.at(parts[roll.below(std::size(parts))]);
                nlohmann::json part = nlohmann::json::parse(text);
                mutate(part, roll);
                text = part.dump();
            }
            INFO(name << " with seed " << seed);
            eo::io::write_safetensors(folder / "bad", tensors, metadata);
            seen.load(folder / "bad");
        }
    }
    CHECK(seen.loaded > 20);
    CHECK(seen.refused > 20);
}

TEST_CASE("folders of any structure load and run, or are refused", "[io][mutated]") {
    const support::temporary_folder folder;
    outcomes seen;
    for (const char* name : {"odd_untied", "llama_gqa", "qwen3", "gpt_oss"}) {
        const eo::io::safetensors_file file(support::golden_folder(name) / "model.safetensors");
        const eo::io::hugging_face_checkpoint whole(support::golden_folder(name));
        for (std::uint32_t seed = 0; seed < 150; ++seed) {
            dice roll(seed);
            std::vector<std::string> own;
            own.reserve(file.contents().tensors().size());
            std::vector<eo::io::tensor_to_write> tensors;
            for (const auto& [key, view] : file.contents().tensors()) {
                if (roll.below(10) != 0) {
                    tensors.emplace_back(view);
                    continue;
                }
                eo::tensor_view changed = view;
                changed.type = eo::all_dtypes[roll.below(3)].type;
                if (roll.below(4) == 0) {
                    std::size_t& extent = changed.shape[roll.below(changed.shape.size())];
                    extent = std::min<std::size_t>(roll.number(extent), 1 << 12);
                }
                changed.bytes = std::as_bytes(
                    std::span(own.emplace_back(roll.bytes(bytes_of(changed.type, changed.element_count())))));
                tensors.emplace_back(changed);
            }
            nlohmann::json config = whole.config().object().value;
            if (seed % 2 != 0) mutate(config, roll);
            INFO(name << " with seed " << seed);
            folder.write("config.json", config.dump());
            eo::io::write_safetensors(folder / "model.safetensors", tensors);
            seen.load(folder.path());
        }
    }
    CHECK(seen.loaded > 20);
    CHECK(seen.refused > 20);
}

TEST_CASE("GGUF files of any structure load and run, or are refused", "[io][gguf][mutated]") {
    struct entry {
        std::string name;
        std::vector<std::size_t> shape;
        eo::dtype type;
    };
    const std::vector<entry> good{{"token_embd.weight", {12, 256}, eo::dtype::q8_0},
                                  {"output_norm.weight", {256}, eo::dtype::f32},
                                  {"rope_freqs.weight", {64}, eo::dtype::f32},
                                  {"blk.0.attn_norm.weight", {256}, eo::dtype::f32},
                                  {"blk.0.ffn_norm.weight", {256}, eo::dtype::f32},
                                  {"blk.0.attn_q.weight", {256, 256}, eo::dtype::q4_k},
                                  {"blk.0.attn_k.weight", {128, 256}, eo::dtype::q4_0},
                                  {"blk.0.attn_v.weight", {128, 256}, eo::dtype::q6_k},
                                  {"blk.0.attn_output.weight", {256, 256}, eo::dtype::q8_0},
                                  {"blk.0.ffn_gate.weight", {32, 256}, eo::dtype::q4_0},
                                  {"blk.0.ffn_up.weight", {32, 256}, eo::dtype::q8_0},
                                  {"blk.0.ffn_down.weight", {256, 32}, eo::dtype::q8_0}};
    const auto number_of = [](eo::dtype type) -> std::uint32_t {
        switch (type) {
            case eo::dtype::f32: return 0;
            case eo::dtype::f16: return 1;
            case eo::dtype::q4_0: return 2;
            case eo::dtype::q8_0: return 8;
            case eo::dtype::q4_k: return 12;
            case eo::dtype::q6_k: return 14;
            default: return 30;
        }
    };
    const support::temporary_folder folder;
    outcomes seen;
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
        dice roll(seed);
        support::gguf_builder made;
        made.set("general.architecture", "llama");
        const std::pair<const char*, std::uint32_t> sizes[] = {
            {"block_count", 1},          {"embedding_length", 256},      {"feed_forward_length", 32},
            {"attention.head_count", 2}, {"attention.head_count_kv", 1}, {"context_length", 8}};
        const bool sized = roll.below(4) == 0;
        for (const auto& [key, value] : sizes) {
            const bool changed = sized && roll.below(4) == 0;
            made.set(std::string("llama.") + key, changed ? static_cast<std::uint32_t>(roll.number(value)) : value);
        }
        made.set("llama.attention.layer_norm_rms_epsilon", sized && roll.below(4) == 0 ? 1e-45f : 1e-5f);
        for (const entry& e : good) {
            entry is = e;
            if (roll.below(8) == 0) is.type = eo::all_dtypes[roll.below(std::size(eo::all_dtypes))].type;
            if (roll.below(40) == 0) {
                std::size_t& extent = is.shape[roll.below(is.shape.size())];
                extent = std::min<std::size_t>(roll.number(extent), 1 << 10);
            }
            std::size_t elements = 1;
            for (const std::size_t extent : is.shape) elements *= extent;
            made.tensor(is.name, is.shape, number_of(is.type), roll.bytes(bytes_of(is.type, elements)));
        }
        INFO("seed " << seed);
        folder.write("m.gguf", made.bytes());
        seen.load(folder / "m.gguf");
    }
    CHECK(seen.loaded > 20);
    CHECK(seen.refused > 20);
}

TEST_CASE("divisors of rotary frequencies that are not above 0 are refused", "[io][gguf][errors]") {
    for (const float bad : {0.0f, -0.0f, -1.0f}) {
        const eo::io::hugging_face_checkpoint llama(support::golden_folder("llama_gqa"));
        class with_divisors final : public eo::checkpoint {
        public:
            with_divisors(const eo::checkpoint& all, std::vector<float> values)
                : all_(all), values_(std::move(values)) {
                view_ = {"rope_freqs.weight", eo::dtype::f32, {values_.size()}, std::as_bytes(std::span(values_))};
            }
            std::string source() const override { return all_.source(); }
            const eo::configuration& config() const override { return all_.config(); }
            const eo::tensor_view* find(std::string_view name) const override {
                return name == view_.name ? &view_ : all_.find(name);
            }

        private:
            const eo::checkpoint& all_;
            std::vector<float> values_;
            eo::tensor_view view_;
        };
        const std::size_t planes = eo::any_model::from_checkpoint(llama).shape().head_dim / 2;
        std::vector<float> divisors(planes, 1.0f);
        divisors.back() = bad;
        CHECK(support::error_of([&] { (void)eo::any_model::from_checkpoint(with_divisors(llama, divisors)); }) ==
              support::thrown(eo::errc::wrong_value, {"rope_freqs.weight", "above 0"}));
    }
}
