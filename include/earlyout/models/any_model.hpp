// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_ANY_MODEL_HPP
#define EARLYOUT_MODELS_ANY_MODEL_HPP

#include <earlyout/kernels/any_format.hpp>
#include <earlyout/models/codegen.hpp>
#include <earlyout/models/gemma.hpp>
#include <earlyout/models/gemma2.hpp>
#include <earlyout/models/gemma3.hpp>
#include <earlyout/models/gpt2.hpp>
#include <earlyout/models/gpt_bigcode.hpp>
#include <earlyout/models/gpt_neox.hpp>
#include <earlyout/models/gpt_oss.hpp>
#include <earlyout/models/granite.hpp>
#include <earlyout/models/llama.hpp>
#include <earlyout/models/mistral.hpp>
#include <earlyout/models/mixtral.hpp>
#include <earlyout/models/olmo2.hpp>
#include <earlyout/models/olmoe.hpp>
#include <earlyout/models/phi.hpp>
#include <earlyout/models/phi3.hpp>
#include <earlyout/models/qwen2.hpp>
#include <earlyout/models/qwen2_moe.hpp>
#include <earlyout/models/qwen3.hpp>
#include <earlyout/models/qwen3_moe.hpp>
#include <earlyout/models/smollm3.hpp>
#include <earlyout/models/stablelm.hpp>
#include <earlyout/models/starcoder2.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// A layer of any architecture: one virtual call per chunk of tokens.
class any_block {
public:
    template <class Block>
    explicit any_block(Block block) : held_(std::make_unique<model<Block>>(std::move(block))) {}

    void operator()(std::size_t layer, std::span<const layer_token> tokens, run_context& context) const {
        held_->run(layer, tokens, context);
    }
    void update_kv_only(std::size_t layer, std::span<const layer_token> tokens, run_context& context) const {
        held_->update_kv_only(layer, tokens, context);
    }
    [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens, std::size_t pieces) const noexcept {
        return held_->scratch_bytes(tokens, pieces);
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return held_->bytes(); }
    [[nodiscard]] std::size_t stored_bytes() const noexcept { return held_->stored_bytes(); }
    [[nodiscard]] std::size_t update_kv_bytes() const noexcept { return held_->update_kv_bytes(); }
    [[nodiscard]] const char* format_name() const noexcept { return held_->format_name(); }
    void visit_matrices(matrix_visitor visit) const { held_->visit_matrices(visit); }

private:
    struct interface {
        virtual ~interface() = default;
        virtual void run(std::size_t, std::span<const layer_token>, run_context&) const = 0;
        virtual void update_kv_only(std::size_t, std::span<const layer_token>, run_context&) const = 0;
        [[nodiscard]] virtual std::size_t scratch_bytes(std::size_t, std::size_t) const noexcept = 0;
        [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;
        [[nodiscard]] virtual std::size_t stored_bytes() const noexcept = 0;
        [[nodiscard]] virtual std::size_t update_kv_bytes() const noexcept = 0;
        [[nodiscard]] virtual const char* format_name() const noexcept = 0;
        virtual void visit_matrices(matrix_visitor) const = 0;
    };
    template <class Block>
    struct model final : interface {
        explicit model(Block made) : block(std::move(made)) {}
        void run(std::size_t layer, std::span<const layer_token> tokens, run_context& context) const override {
            block(layer, tokens, context);
        }
        void update_kv_only(std::size_t layer, std::span<const layer_token> tokens,
                            run_context& context) const override {
            block.update_kv_only(layer, tokens, context);
        }
        [[nodiscard]] std::size_t scratch_bytes(std::size_t tokens, std::size_t pieces) const noexcept override {
            return block.scratch_bytes(tokens, pieces);
        }
        [[nodiscard]] std::size_t bytes() const noexcept override { return block.bytes(); }
        [[nodiscard]] std::size_t stored_bytes() const noexcept override {
            if constexpr (requires { block.stored_bytes(); }) {
                return block.stored_bytes();
            } else {
                return block.bytes();
            }
        }
        [[nodiscard]] std::size_t update_kv_bytes() const noexcept override { return block.update_kv_bytes(); }
        [[nodiscard]] const char* format_name() const noexcept override { return block.format_name(); }
        void visit_matrices(matrix_visitor visit) const override { block.visit_matrices(visit); }
        Block block;
    };

    std::unique_ptr<interface> held_;
};

/// The final norm of any architecture.
class any_norm {
public:
    any_norm() = default;
    template <class Norm>
        requires std::is_constructible_v<std::variant<layer_norm<>, rms_norm<>>, Norm>
    explicit any_norm(Norm norm) : held_(std::move(norm)) {}

    void operator()(const float* x, float* out) const noexcept {
        std::visit([&](const auto& norm) { norm(x, out); }, held_);
    }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return std::visit([](const auto& norm) { return norm.bytes(); }, held_);
    }
    [[nodiscard]] std::span<const float> weight() const noexcept {
        return std::visit([](const auto& norm) { return norm.weight(); }, held_);
    }
    [[nodiscard]] float epsilon() const noexcept {
        return std::visit([](const auto& norm) { return norm.epsilon(); }, held_);
    }
    [[nodiscard]] bool centres() const noexcept {
        return std::visit([](const auto& norm) { return norm.centres(); }, held_);
    }

private:
    std::variant<layer_norm<>, rms_norm<>> held_;
};

/// Reads a model of any architecture. Not inline, so that programs can link it: EARLYOUT_DETAIL_MODEL below.
template <class Model>
Model read_any_model(const checkpoint& from, any_format format, any_format output_format);

}  // namespace detail

/// A language model of whichever of these architectures a checkpoint's `model_type` names, in a weight format chosen at
/// run time: for programs that accept any model. A program that knows its architecture names that instead, and compiles
/// no other.
template <architecture... Architectures>
class any_model_of : public language_model<detail::any_block, detail::any_norm, any_format, model_scaling> {
    using base = language_model<detail::any_block, detail::any_norm, any_format, model_scaling>;

public:
    /// Returns the name of the architecture.
    [[nodiscard]] std::string_view architecture() const noexcept { return architecture_; }

    /// Calls transformer::from_checkpoint.
    /// @throws error as that, and (unsupported) for another `model_type`
    [[nodiscard]] static any_model_of from_checkpoint(const checkpoint& from, any_format format = {}) {
        return from_checkpoint(from, format, format);
    }
    [[nodiscard]] static any_model_of from_checkpoint(const checkpoint& from, any_format format,
                                                      any_format output_format) {
        return detail::read_any_model<any_model_of>(from, format, output_format);
    }

private:
    template <class Model>
    friend Model detail::read_any_model(const checkpoint& from, any_format format, any_format output_format);

    [[nodiscard]] static any_model_of find_and_read(const checkpoint& from, any_format format,
                                                    any_format output_format) {
        const detail::checkpoint_reader reader(from, "");
        const std::string type = reader.text("model_type", {Architectures::model_type...}, "");
        std::unique_ptr<any_model_of> made;
        (void)((type == Architectures::model_type && (made = read<Architectures>(from, format, output_format), true)) ||
               ...);
        return std::move(*made);
    }
    any_model_of(const model_shape& shape, parts made_of, std::string_view name)
        : base(shape, std::move(made_of)), architecture_(name) {}

    template <class Architecture>
    static std::unique_ptr<any_model_of> read(const checkpoint& from, any_format format, any_format output_format) {
        auto concrete = transformer<Architecture, any_format>::from_checkpoint(from, format, output_format);
        const model_shape shape = concrete.shape();
        auto parts_of = std::move(concrete).release();
        parts made;
        made.tokens = std::move(parts_of.tokens);
        made.positions = std::move(parts_of.positions);
        made.output = std::move(parts_of.output);
        made.read_from = std::move(parts_of.read_from);
        made.final_norm = detail::any_norm(std::move(parts_of.final_norm));
        made.scaling = model_scaling(parts_of.scaling);
        made.blocks.reserve(parts_of.blocks.size());
        for (auto& block : parts_of.blocks) made.blocks.emplace_back(std::move(block));
        return std::unique_ptr<any_model_of>(new any_model_of(shape, std::move(made), Architecture::model_type));
    }

    std::string_view architecture_;
};

namespace detail {

template <class Model>
Model read_any_model(const checkpoint& from, any_format format, any_format output_format) try {
    return Model::find_and_read(from, format, output_format);
} catch (...) {
    rethrow_as_error(from.source());
}

}  // namespace detail

/// Any architecture that the library provides.
using any_model =
    any_model_of<gpt2_architecture, llama_architecture, mistral_architecture, qwen2_architecture, qwen3_architecture,
                 smollm3_architecture, granite_architecture, phi3_architecture, stablelm_architecture, phi_architecture,
                 gpt_neox_architecture, gemma_architecture, gemma2_architecture, gemma3_architecture,
                 olmo2_architecture, codegen_architecture, gpt_bigcode_architecture, starcoder2_architecture,
                 mixtral_architecture, qwen2_moe_architecture, qwen3_moe_architecture, olmoe_architecture,
                 gpt_oss_architecture>;

EARLYOUT_DETAIL_MODEL(any_model detail::read_any_model<any_model>(const checkpoint&, any_format, any_format));

}}  // namespace earlyout::EARLYOUT_ABI

#endif
