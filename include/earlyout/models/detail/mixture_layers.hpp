// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_MIXTURE_LAYERS_HPP
#define EARLYOUT_MODELS_DETAIL_MIXTURE_LAYERS_HPP

#include <earlyout/models/detail/llama_layers.hpp>
#include <earlyout/nn/mixture.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// What the tensors of a mixture are called, behind the layer's name.
struct mixture_names {
    std::string_view mixture = ".mlp";
    std::string_view gate = ".gate_proj";  ///< matrices of an expert
    std::string_view up = ".up_proj";
    std::string_view down = ".down_proj";
    std::string_view router = ".gate";
    bool biases = false;  ///< of router and experts
};

/// Llama's layers with mixtures of experts in place of the feed-forwards, or of some of them. A derived class says in
/// `mixture_of(reader, shape, layer)` what each layer has; one without experts has a dense feed-forward, which is a
/// mixture of nothing but a shared expert, so that all layers are of one type.
template <class Derived, template <model_shape> class Positions = rotary_only>
struct mixture_layers : gated_llama_layers<Derived, Positions> {
    using base = gated_llama_layers<Derived, Positions>;
    using reader = checkpoint_reader;

    template <class Format, model_shape Shape>
    using block = pre_norm_block<rms_norm<Shape.d_model>, self_attention<Format, Shape, Positions<Shape>>,
                                 mixture<Format, Shape>>;

    // Defaults that most of them share.
    static constexpr mixture_names mixture_tensors{};
    static constexpr std::string_view experts_key = "num_experts";
    static constexpr std::size_t absent_experts = 0, absent_active = 0;  ///< 0: the file must name them
    static activation expert_activation(const reader& from) { return from.hidden_activation("silu"); }

    static model_shape shape(const reader& from) {
        model_shape s = base::shape(from);
        const auto size = [&](std::string_view key, std::size_t absent) {
            return absent == 0 ? from.size(key) : from.optional_size(key).value_or(absent);
        };
        s.experts = size(Derived::experts_key, Derived::absent_experts);
        s.active_experts = size("num_experts_per_tok", Derived::absent_active);
        return s;
    }

    static void require_matrices(const reader& from, const std::string& name, const model_shape& s) {
        llama_layers::require_attention(from, name + ".self_attn", s);
    }
    /// The mixture has been filled as it was made.
    template <class Block>
    static void read_matrices(const reader& from, const std::string& name, const model_shape& s, Block& into) {
        llama_layers::read_attention(from, name + ".self_attn", s, Derived::attention_biases(from), into.attention);
    }

    template <class Format, model_shape Shape>
    static mixture<Format, Shape> make_feed_forward(const reader& from, const model_shape& s, std::size_t layer,
                                                    Format format, weight_arena& arena) {
        const mixture_shape m = Derived::mixture_of(from, s, layer);
        const std::string name = "layers." + std::to_string(layer - 1) + std::string(Derived::mixture_tensors.mixture);
        if (!Derived::mixture_tensors.biases) from.refuse("mlp_bias");
        require(from, name, m);
        mixture<Format, Shape> made(m, Derived::expert_activation(from), format, &arena);
        fill(from, name, m, made);
        return made;
    }

private:
    [[nodiscard]] static std::string router_name(const std::string& mixture) {
        return mixture + std::string(Derived::mixture_tensors.router);
    }
    [[nodiscard]] static std::string expert_name(const std::string& mixture, std::size_t expert) {
        return mixture + ".experts." + std::to_string(expert);
    }
    [[nodiscard]] static std::string shared_name(const std::string& mixture, const mixture_shape& m) {
        return m.experts == 0 ? mixture : mixture + ".shared_expert";
    }

    /// Refuses matrices that are missing or mis-shaped before anything of their size is allocated.
    static void require(const reader& from, const std::string& name, const mixture_shape& m) {
        const auto require_expert = [&](const std::string& expert, const mixture_names& names, std::size_t width) {
            (void)from.require(tensor(expert, names.gate), {width, m.d_model});
            (void)from.require(tensor(expert, names.up), {width, m.d_model});
            (void)from.require(tensor(expert, names.down), {m.d_model, width});
        };
        if (m.experts != 0) (void)from.require(router_name(name) + ".weight", {m.experts, m.d_model});
        for (std::size_t e = 0; e < m.experts; ++e) {
            require_expert(expert_name(name, e), Derived::mixture_tensors, m.d_expert);
        }
        if (m.d_shared != 0) require_expert(shared_name(name, m), {}, m.d_shared);
    }
    template <class Mixture>
    static void fill(const reader& from, const std::string& name, const mixture_shape& m, Mixture& into) {
        if (m.experts != 0) {
            std::vector<matrix_part> parts{
                {.tensor = router_name(name) + ".weight", .stored_rows = m.experts, .count = m.experts}};
            if (m.gates_shared) {
                parts.push_back(
                    {.tensor = name + ".shared_expert_gate.weight", .stored_rows = 1, .count = 1, .to = m.experts});
            }
            from.fill(into.router(), std::move(parts));
            if (Derived::mixture_tensors.biases) from.bias_rows(router_name(name), m.experts, into.router());
        }
        if (into.shared()) fill_expert(from, shared_name(name, m), {}, m.d_shared, *into.shared());
        for (std::size_t e = 0; e < m.experts; ++e) {
            fill_expert(from, expert_name(name, e), Derived::mixture_tensors, m.d_expert, into.experts()[e]);
        }
    }
    template <class Expert>
    static void fill_expert(const reader& from, const std::string& name, const mixture_names& names, std::size_t width,
                            Expert& into) {
        const auto part = [&](std::string_view matrix, std::size_t rows, std::size_t to) {
            return matrix_part{.tensor = tensor(name, matrix), .stored_rows = rows, .count = rows, .to = to};
        };
        from.fill(into.gate_up(), {part(names.gate, width, 0), part(names.up, width, into.up_row())});
        from.fill(into.down(), {part(names.down, into.down().out(), 0)});
        if (!names.biases) return;
        from.bias_rows(std::string(name).append(names.gate), width, into.gate_up());
        from.bias_rows(std::string(name).append(names.up), width, into.gate_up(), into.up_row());
        from.bias_rows(std::string(name).append(names.down), into.down().out(), into.down());
    }
    [[nodiscard]] static std::string tensor(const std::string& name, std::string_view matrix) {
        return std::string(name).append(matrix).append(".weight");
    }
};

/// Returns how Qwen and OLMoE weigh experts: by `norm_topk_prob`, false where it is absent.
[[nodiscard]] inline expert_weighting weighting_of_key(const checkpoint_reader& from) {
    return from.boolean("norm_topk_prob", false) ? expert_weighting::softmax_of_chosen
                                                 : expert_weighting::softmax_of_all;
}

/// Returns the mixture of a layer of a Qwen model. Layers that `mlp_only_layers` lists (counted from 0) are dense, and
/// those whose number is not a multiple of `decoder_sparse_step`.
/// @param layer numbered from 1
[[nodiscard]] inline mixture_shape qwen_mixture(const checkpoint_reader& from, const model_shape& s,
                                                std::size_t layer) {
    bool dense = layer % from.optional_size("decoder_sparse_step").value_or(1) != 0;
    for (std::size_t i = 0;; ++i) {
        const auto listed = from.integer("mlp_only_layers." + std::to_string(i));
        if (!listed) break;
        dense = dense || *listed == static_cast<std::int64_t>(layer) - 1;
    }
    mixture_shape m{.d_model = s.d_model};
    if (dense) {
        m.d_shared = s.d_ff;
        return m;
    }
    m.experts = s.experts;
    m.active_experts = s.active_experts;
    m.weighting = weighting_of_key(from);
    return m;
}

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
