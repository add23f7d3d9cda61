// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_MODEL_HPP
#define EARLYOUT_GENERATE_MODEL_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/nn/network.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Returns the network of a model: its network() if it has one, else the model itself. This lets a session accept both
/// a bare network and what io::load returns without knowing io.
template <class Model>
[[nodiscard]] const auto& network_of(const Model& model) noexcept {
    if constexpr (requires { model.network(); }) {
        return model.network();
    } else {
        return model;
    }
}

template <class Model>
using network_type_of = std::remove_cvref_t<decltype(network_of(std::declval<const Model&>()))>;

/// A network, or something that holds one, with which a session continues sequences. The default implementation is
/// io::pretrained. Optional members:
///
///     const auto& network() const;      // the network
///     const auto& tokenizer() const;    // see text_model
///     const auto& generation() const;   // eos_token_ids, add_bos, bos_token_id: see io::generation_config
/// origin, for error messages
template <class Model>
concept model = network<network_type_of<Model>>;

/// Holds a tokenizer: `encode(text)` returns token ids, `stream()` a decoder that takes them one by one. It may also
/// have `tokens_before()`, the prefix of every text, `continuation_stream()` and `is_special(id)`.
template <class Model>
concept tokenizes = requires(const Model& m, std::string_view text) {
    { m.tokenizer().encode(text) } -> std::convertible_to<std::vector<token_id>>;
    m.tokenizer().stream();
};

/// A model that can complete text.
template <class Model>
concept text_model = model<Model> && tokenizes<Model>;

/// Returns the tokens that the model's tokenizer puts before a text.
template <class Model>
[[nodiscard]] std::span<const token_id> tokens_before_text(const Model& model) noexcept {
    if constexpr (requires { model.tokenizer().tokens_before(); }) {
        return model.tokenizer().tokens_before();
    } else {
        return {};
    }
}

/// Returns the tokens of a text. @param plain encode special tokens in it as plain text
template <class Tokenizer>
[[nodiscard]] std::vector<token_id> encode_text(const Tokenizer& tokenizer, std::string_view text, bool plain) {
    if constexpr (requires { tokenizer.encode_plain(text); }) {
        if (plain) return tokenizer.encode_plain(text);
    }
    return tokenizer.encode(text);
}

/// Returns the tokens of a text with the model's prefix, unless it is already there; a suffix would end the text.
template <class Model>
[[nodiscard]] std::vector<token_id> encode_prompt(const Model& model, std::string_view text, bool plain = false) {
    std::vector<token_id> ids = encode_text(model.tokenizer(), text, plain);
    const std::span<const token_id> before = tokens_before_text(model);
    if (!std::ranges::equal(before, std::span(ids).first(std::min(ids.size(), before.size())))) {
        ids.insert(ids.begin(), before.begin(), before.end());
    }
    if constexpr (requires { model.generation(); }) {
        if (model.generation().add_bos && model.generation().bos_token_id &&
            std::ranges::find(before, *model.generation().bos_token_id) == before.end() &&
            (ids.empty() || ids.front() != *model.generation().bos_token_id)) {
            ids.insert(ids.begin(), *model.generation().bos_token_id);
        }
    }
    return ids;
}

/// Returns the tokens with which a prompt begins because every text of this model does.
template <class Model>
[[nodiscard]] std::size_t size_of_start(const Model& model, std::span<const token_id> prompt) noexcept {
    std::size_t size = 0;
    if constexpr (requires { model.generation(); }) {
        const auto& bos = model.generation().bos_token_id;
        if (model.generation().add_bos && bos && !prompt.empty() && prompt.front() == *bos) size = 1;
    }
    const std::span<const token_id> before = tokens_before_text(model);
    for (const std::size_t from : {std::size_t{0}, size}) {
        if (std::ranges::equal(before, prompt.subspan(from, std::min(before.size(), prompt.size() - from)))) {
            return std::max(size, from + before.size());
        }
    }
    return size;
}

/// Returns the last tokens of a prompt after the model's prefix; of a fill-in-the-middle prompt, those around the
/// middle.
/// @param kept 1 .. as many as the prompt has
template <class Model>
[[nodiscard]] std::vector<token_id> cut_prompt(const Model& model, std::span<const token_id> prompt, std::size_t kept) {
    const std::size_t start = std::min(size_of_start(model, prompt), kept - 1);
    if constexpr (requires { model.cut_middle_prompt(prompt, start, kept); }) {
        if (auto cut = model.cut_middle_prompt(prompt, start, kept)) return *std::move(cut);
    }
    std::vector<token_id> cut(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(start));
    cut.insert(cut.end(), prompt.end() - static_cast<std::ptrdiff_t>(kept - start), prompt.end());
    return cut;
}

/// Returns "FILE: ", for error messages; nothing for a model of unknown origin.
template <class Model>
[[nodiscard]] std::string source_of(const Model& model) {
    if constexpr (requires { std::string(model.source()); }) {
        return std::string(model.source()) + ": ";
    } else {
        return {};
    }
}

/// Returns a decoder for the continuation of a text.
template <class Tokenizer>
[[nodiscard]] auto continuation_stream(const Tokenizer& tokenizer) {
    if constexpr (requires { tokenizer.continuation_stream(); }) {
        return tokenizer.continuation_stream();
    } else {
        return tokenizer.stream();
    }
}

/// Returns the model's own end-of-text tokens.
template <class Model>
[[nodiscard]] std::span<const token_id> end_of_text_of(const Model& model) noexcept {
    if constexpr (requires { model.generation(); }) {
        return model.generation().eos_token_ids;
    } else {
        return {};
    }
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
