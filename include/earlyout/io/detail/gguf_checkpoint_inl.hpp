// SPDX-License-Identifier: MIT
// What gguf_checkpoint.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_GGUF_CHECKPOINT_INL_HPP
#define EARLYOUT_IO_DETAIL_GGUF_CHECKPOINT_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/gguf_names.hpp>
#include <earlyout/io/detail/gguf_part_name.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/gguf_file.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/stored_checkpoint.hpp>
#include <earlyout/weights/flat_config.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

template <class Found>
void gguf_checkpoint::unsupported(std::string_view key, std::string_view expected, const Found& found) const {
    fail(errc::unsupported, source(), ": key '", key, "': expected ", expected, ", found ", found);
}

EARLYOUT_IO_INLINE gguf_checkpoint::gguf_checkpoint(const std::filesystem::path& path, file_access access)
    : gguf_checkpoint(mapped_file(detail::first_gguf_part(path), access), {}, detail::first_gguf_part(path), access) {}

EARLYOUT_IO_INLINE gguf_checkpoint::gguf_checkpoint(std::span<const std::byte> bytes, const std::string& source)
    : gguf_checkpoint(std::nullopt, bytes, source, file_access::mapped) {}

EARLYOUT_IO_INLINE const tensor_view* gguf_checkpoint::find(std::string_view name) const {
    const auto place = places_.find(name);
    if (place == places_.end()) return nullptr;
    const std::lock_guard lock(state_->guard);
    const auto known = state_->views.find(name);
    if (known != state_->views.end()) return &known->second;
    tensor_view view = *stored(place->second);
    view.name = name;
    if (const std::size_t heads = turned_heads(name); heads != 0) {
        const std::span<const std::byte> bytes = view.bytes;
        view.bytes = state_->owned.emplace_back(turned_back(view, heads));
        discard(bytes);
    }
    return &state_->views.emplace(name, std::move(view)).first->second;
}

EARLYOUT_IO_INLINE void gguf_checkpoint::for_each_tensor(function_ref<void(const tensor_view&)> visit) const {
    if (parts_.empty()) {
        for (const auto& [name, view] : contents().tensors()) visit(view);
        return;
    }
    std::map<std::string_view, const tensor_view*> all;
    for_each_file([&](const gguf& file) {
        for (const auto& [name, view] : file.tensors()) all.emplace(name, &view);
    });
    for (const auto& [name, view] : all) visit(*view);
}

EARLYOUT_IO_INLINE const tensor_view* gguf_checkpoint::stored(std::string_view name) const {
    const tensor_view* found = contents().find(name);
    for (const part& p : parts_) found = found == nullptr ? p.contents.find(name) : found;
    return found;
}

EARLYOUT_IO_INLINE void gguf_checkpoint::discard(std::span<const std::byte> bytes) const noexcept {
    if (file_) file_->discard(bytes);
    for (const part& p : parts_) p.file.discard(bytes);
}

EARLYOUT_IO_INLINE void gguf_checkpoint::open_parts(file_access access) {
    const std::int64_t count = contents().integer("split.count").value_or(1);
    if (count <= 1) return;
    const auto name = file_ ? detail::gguf_part_name::of(path_.filename().string()) : std::nullopt;
    if (!name || static_cast<std::int64_t>(name->count) != count || contents().integer("split.no").value_or(0) != 0) {
        fail(errc::unsupported, source(), ": key 'split.count': expected files named NAME-00001-of-",
             detail::gguf_part_name::digits(static_cast<std::size_t>(count)), ".gguf and on for a model in ", count,
             " files, found part ", contents().integer("split.no").value_or(0) + 1, " under this name");
    }
    const std::filesystem::path folder = path_.parent_path();
    std::size_t missing = 0;
    std::filesystem::path first_missing;
    for (std::size_t number = 2; number <= name->count; ++number) {
        if (detail::exists(folder / name->number(number))) continue;
        if (missing++ == 0) first_missing = folder / name->number(number);
    }
    if (missing != 0) {
        fail(errc::no_such_file, first_missing.string(), ": no such file, though ", path_.filename().string(),
             " is part 1 of ", name->count, ": ", missing, missing == 1 ? " is missing" : " are missing");
    }
    std::uint64_t tensors = contents().tensors().size() + contents().others().size();
    parts_.reserve(name->count - 1);
    for (std::size_t number = 2; number <= name->count; ++number) {
        mapped_file file(folder / name->number(number), access);
        gguf own(file.bytes(), file.path());
        const std::int64_t no = own.integer("split.no").value_or(-1), of = own.integer("split.count").value_or(0);
        if (no + 1 != static_cast<std::int64_t>(number) || of != count) {
            fail(errc::mismatch, file.path(), ": key 'split.no': expected part ", number, " of ", count,
                 ", found part ", no + 1, " of ", of);
        }
        const auto refuse_twice = [&](const std::string& tensor) {
            if (!has(tensor)) return;
            fail(errc::malformed_file, file.path(), ": tensor '", tensor,
                 "': expected once, found in another part too");
        };
        for (const auto& [tensor, view] : own.tensors()) refuse_twice(tensor);
        for (const auto& [tensor, type] : own.others()) refuse_twice(tensor);
        tensors += own.tensors().size() + own.others().size();
        parts_.push_back({std::move(file), std::move(own)});
    }
    const auto expected = contents().integer("split.tensors.count");
    if (expected && *expected != static_cast<std::int64_t>(tensors)) {
        fail(errc::malformed_file, source(), ": key 'split.tensors.count': expected ", *expected,
             " tensors in all parts, found ", tensors);
    }
}

EARLYOUT_IO_INLINE gguf_checkpoint::gguf_checkpoint(std::optional<mapped_file> file, std::span<const std::byte> bytes,
                                                    const std::filesystem::path& path, file_access access) try
    : path_(path),
      file_(std::move(file)),
      contents_(file_ ? file_->bytes() : bytes, path_.string()),
      of_(&find_architecture()),
      config_(path_.string()),
      state_(std::make_unique<state>()) {
    open_parts(access);
    read_config();
    for_each_file([&](const gguf& one) {
        for (const auto& [name, view] : one.tensors()) place(name);
        for (const auto& [name, type] : one.others()) place(name);
    });
} catch (...) {
    earlyout::detail::rethrow_as_error(path.native());
}

EARLYOUT_IO_INLINE const detail::gguf_architecture& gguf_checkpoint::find_architecture() const {
    const std::string_view name = contents().text("general.architecture").value_or("");
    std::string known;
    for (const detail::gguf_architecture& a : detail::gguf_architectures) {
        if (a.name == name) return a;
        known.append(known.empty() ? "" : ", ").append(a.name);
    }
    unsupported("general.architecture", "one of " + known, "'" + earlyout::detail::printable(name) + "'");
}

EARLYOUT_IO_INLINE std::string gguf_checkpoint::key(std::string_view name) const {
    return std::string(of_->name).append(".").append(name);
}

EARLYOUT_IO_INLINE void gguf_checkpoint::read_config() {
    for (const detail::gguf_name& n : of_->sizes) {
        if (const auto found = contents().integer(key(n.gguf))) config_.set(std::string(n.hugging_face), *found);
    }
    for (const detail::gguf_name& n : of_->reals) {
        const auto found = contents().real(key(n.gguf));
        if (found && !(*found == 0.0 && n.gguf.ends_with("scale"))) {  // a scale of 0 is none
            config_.set(std::string(n.hugging_face), *found);
        }
    }
    if (const auto found = contents().integer(key("expert_count")); found.value_or(0) != 0) {
        unsupported(key("expert_count"), "a model without experts", *found);
    }
    std::string type(of_->model_type.empty() ? of_->name : of_->model_type);
    if (const auto window = contents().integer(key("attention.sliding_window")); window.value_or(0) != 0) {
        if (!of_->windows) unsupported(key("attention.sliding_window"), "no window", *window);
        if (of_->name == "llama") type = "mistral";  // which is Llama with a window
        config_.set("sliding_window", *window);
    }
    read_scales();
    config_.set("model_type", type);
    if (const tensor_view* tokens = stored("token_embd.weight"); tokens != nullptr) {
        if (!tokens->shape.empty()) config_.set("vocab_size", static_cast<std::int64_t>(tokens->shape.front()));
    }
    config_.set("tie_word_embeddings", !has("output.weight"));
    if (of_->name == "gpt2") {
        config_.set("conv1d_layout", "out_in");
        return;
    }
    if (of_->name == "starcoder") {
        const auto kv_heads = contents().integer(key("attention.head_count_kv"));
        if (kv_heads != 1)
            unsupported(key("attention.head_count_kv"), "1", kv_heads ? std::to_string(*kv_heads) : "none");
        return;
    }
    complete_sizes();
    const bool biases = has("blk.0.attn_qkv.bias") || has("blk.0.attn_q.bias") || has("blk.0.attn_k.bias") ||
                        has("blk.0.attn_v.bias") || has("blk.0.attn_output.bias");
    config_.set(std::string(of_->bias_key), biases);
    if (of_->name == "gptneox") config_.set("query_key_value_layout", "by_kind");
    if (of_->name.starts_with("gemma")) read_gemma();
    config_.set("mlp_bias", has("blk.0.ffn_down.bias"));
    read_rotary();
}

EARLYOUT_IO_INLINE void gguf_checkpoint::read_scales() {
    static constexpr detail::gguf_name names[] = {{"logit_scale", "logit_scale"},
                                                  {"residual_scale", "residual_scale"},
                                                  {"embedding_scale", "embedding_scale"},
                                                  {"attention.scale", "attention_multiplier"},
                                                  {"attention.clamp_kqv", "clip_qkv"},
                                                  {"attention.max_alibi_bias", "max_alibi_bias"},
                                                  {"attn_logit_softcapping", "attn_logit_softcapping"},
                                                  {"final_logit_softcapping", "final_logit_softcapping"}};
    for (const detail::gguf_name& n : names) {  // 0 is none
        if (std::ranges::find(of_->reals, n.gguf, &detail::gguf_name::gguf) != of_->reals.end()) continue;
        const auto found = contents().real(key(n.gguf));
        if (found.value_or(0.0) != 0.0) config_.set(std::string(n.hugging_face), *found);
    }
    if (!contents().boolean(key("attention.causal")).value_or(true)) config_.set("is_causal", false);
    if (const auto parallel = contents().boolean(key("use_parallel_residual"))) {
        config_.set("use_parallel_residual", *parallel);
    }
    const auto keys = contents().integer(key("attention.key_length"));
    const auto values = contents().integer(key("attention.value_length"));
    if (keys && values && *keys != *values) {
        unsupported(key("attention.value_length"), "as many as attention.key_length, " + std::to_string(*keys),
                    *values);
    }
}

EARLYOUT_IO_INLINE void gguf_checkpoint::complete_sizes() {
    const std::int64_t heads = integer("num_attention_heads").value_or(0);
    const std::int64_t width = integer("hidden_size").value_or(0);
    if (heads <= 0) return;
    if (!integer("num_key_value_heads")) config_.set("num_key_value_heads", heads);
    if (!integer("head_dim") && width > 0 && width % heads == 0) config_.set("head_dim", width / heads);
    const std::int64_t head_dim = integer("head_dim").value_or(0);
    if (of_->name == "granite" && !real("attention_multiplier") && head_dim > 0) {
        config_.set("attention_multiplier", 1.0 / std::sqrt(static_cast<double>(head_dim)));
    }
}

EARLYOUT_IO_INLINE void gguf_checkpoint::read_gemma() {
    config_.set("norm_weights", "whole");
    if (of_->name == "gemma") return;
    // As in llama.cpp, whose files lack it: the largest models divide scores by another width than a head's.
    const std::int64_t layers = integer("num_hidden_layers").value_or(0);
    const std::int64_t heads = std::max<std::int64_t>(integer("num_attention_heads").value_or(1), 1);
    const bool largest = layers == (of_->name == "gemma2" ? 46 : 62);
    const std::int64_t width = integer(largest ? "hidden_size" : "head_dim").value_or(0);
    if (width > 0) config_.set("query_pre_attn_scalar", largest ? width / heads : width);
    if (const auto* const period = contents().value(key("attention.sliding_window_pattern")); period != nullptr) {
        if (of_->name != "gemma3" || period->is_array) {
            unsupported(key("attention.sliding_window_pattern"), "the architecture's own", "another form");
        }
        config_.set("sliding_window_pattern", contents().integer(key("attention.sliding_window_pattern")).value_or(0));
    }
    if (of_->name == "gemma3" && !integer("sliding_window")) {
        unsupported(key("attention.sliding_window"), "a window", "none");
    }
}

EARLYOUT_IO_INLINE void gguf_checkpoint::read_rotary() {
    const std::int64_t head_dim = integer("head_dim").value_or(0);
    if (const auto turned = contents().integer(key("rope.dimension_count")); turned && *turned != head_dim) {
        const auto whole = static_cast<double>(std::max<std::int64_t>(head_dim, 1));
        double share = static_cast<double>(*turned) / whole;
        if (share * whole < static_cast<double>(*turned)) share = std::nextafter(share, 2.0);  // it is truncated
        config_.set("partial_rotary_factor", share);
    }
    const auto attention_factor = contents().real(key("rope.scaling.attn_factor"));
    if (const auto original = contents().integer(key("rope.scaling.original_context_length"))) {
        config_.set("rope_scaling.original_max_position_embeddings", *original);
    }
    if (has("rope_factors_short.weight") || has("rope_factors_long.weight")) {
        config_.set("rope_scaling.rope_type", "longrope");
        config_.set("rope_scaling.attention_factor", attention_factor.value_or(1.0));
        return;
    }
    if (attention_factor.value_or(1.0) != 1.0) {
        unsupported(key("rope.scaling.attn_factor"), "1", *attention_factor);
    }
    // As in llama.cpp: a factor without a type is linear; files of 2023 store it under a different key; 0 is none.
    auto factor = contents().real(key("rope.scaling.factor"));
    if (!factor) factor = contents().real(key("rope.scale_linear"));
    if (factor == 0.0) factor = 1.0;
    const std::string type(contents().text(key("rope.scaling.type")).value_or("linear"));
    if (type == "none" || (type == "linear" && factor.value_or(1.0) == 1.0)) return;
    config_.set("rope_scaling.rope_type", type);
    if (factor) config_.set("rope_scaling.factor", *factor);
    for (const auto& [theirs, ours] :
         {std::pair{"beta_fast", "rope_scaling.beta_fast"}, std::pair{"beta_slow", "rope_scaling.beta_slow"}}) {
        if (const auto beta = contents().real(key(std::string("rope.scaling.yarn_").append(theirs)))) {
            config_.set(ours, *beta);
        }
    }
    for (const char* name : {"rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor"}) {
        if (const auto found = contents().real(key(name)); found.value_or(1.0) != 1.0) {
            unsupported(key(name), "1", *found);
        }
    }
    if (const auto found = contents().real(key("rope.scaling.yarn_log_multiplier")); found.value_or(0.0) != 0.0) {
        unsupported(key("rope.scaling.yarn_log_multiplier"), "0", *found);
    }
}

EARLYOUT_IO_INLINE bool gguf_checkpoint::has(std::string_view tensor) const {
    bool found = false;
    for_each_file(
        [&](const gguf& file) { found = found || file.tensors().contains(tensor) || file.others().contains(tensor); });
    return found;
}

EARLYOUT_IO_INLINE void gguf_checkpoint::place(const std::string& name) {
    places_.emplace(detail::hugging_face_tensor(*of_, name), name);
}

EARLYOUT_IO_INLINE std::size_t gguf_checkpoint::turned_heads(std::string_view name) const {
    if (!of_->turned) return 0;
    const auto count = [&](std::string_view key) {
        return static_cast<std::size_t>(std::max<std::int64_t>(integer(key).value_or(0), 0));
    };
    if (name.find(".self_attn.q_proj.") != name.npos) return count("num_attention_heads");
    if (name.find(".self_attn.k_proj.") == name.npos) return 0;
    return count("num_key_value_heads");
}

EARLYOUT_IO_INLINE std::vector<std::byte> gguf_checkpoint::turned_back(const tensor_view& view,
                                                                       std::size_t heads) const {
    const std::size_t rows = view.shape.empty() ? 0 : view.shape.front();
    if (rows == 0 || heads > rows || rows % (2 * heads) != 0 ||
        view.element_count() / rows % block_elements(view.type) != 0) {
        fail(errc::wrong_shape, source(), ": tensor '", view.name, "': expected ", heads,
             " heads of an even number of rows, found shape ", shape_to_string(view.shape), " of ",
             to_string(view.type));
    }
    if (view.bytes.empty()) return {};
    const std::size_t row = view.bytes.size() / rows;
    const std::size_t half = rows / heads / 2;
    std::vector<std::byte> made(view.bytes.size());
    for (std::size_t r = 0; r < rows; ++r) {
        const std::size_t in_head = r % (2 * half);
        const std::size_t from = r - in_head + in_head % half * 2 + in_head / half;
        std::memcpy(made.data() + r * row, view.bytes.data() + from * row, row);
    }
    return made;
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
