// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_CONTROL_NAMES_HPP
#define EARLYOUT_TEXT_CONTROL_NAMES_HPP

#include <earlyout/core/token.hpp>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text {

/// Tokens that end a text by their name, whatever a model's files declare: the names are those that llama.cpp treats as
/// end of generation (llama_vocab::impl::load in src/llama-vocab.cpp), with CodeLlama's spelling of <EOT>.
inline constexpr std::string_view end_names[] = {
    "<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>", "<|return|>", "<|call|>",
    "<|calls|>", "<|flush|>", "<end_of_turn>", "<end_of_utterance>", "</s>", "<EOT>", "_<EOT>", "\u2581<EOT>", " <EOT>",
    "[EOT]", "[EOS]", "<eos>", "<turn|>", "<|tool_response>", "[e~[", "<\uff5cend\u2581of\u2581sentence\uff5c>",
    // Separators of files, and padding: another text follows.
    "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",
    "<reponame>", "<|file_sep|>"};

/// Tokens around the parts of a text whose middle is missing, from the same source, and those of Seed-Coder, Codestral
/// and CodeGen2.
inline constexpr std::string_view middle_names[] = {"<|fim_prefix|>",
                                                    "<|fim_suffix|>",
                                                    "<|fim_middle|>",
                                                    "<fim-prefix>",
                                                    "<fim-suffix>",
                                                    "<fim-middle>",
                                                    "<fim_prefix>",
                                                    "<fim_suffix>",
                                                    "<fim_middle>",
                                                    "<\uff5cfim\u2581begin\uff5c>",
                                                    "<\uff5cfim\u2581hole\uff5c>",
                                                    "<\uff5cfim\u2581end\uff5c>",
                                                    "<PRE>",
                                                    "<SUF>",
                                                    "<MID>",
                                                    "\u2581<PRE>",
                                                    "\u2581<SUF>",
                                                    "\u2581<MID>",
                                                    " <PRE>",
                                                    " <SUF>",
                                                    " <MID>",
                                                    "<|code_prefix|>",
                                                    "<|code_suffix|>",
                                                    "<|code_middle|>",
                                                    "<|prefix|>",
                                                    "<|suffix|>",
                                                    "<|middle|>",
                                                    "<[fim-prefix]>",
                                                    "<[fim-suffix]>",
                                                    "<[fim-middle]>",
                                                    "[PREFIX]",
                                                    "[SUFFIX]",
                                                    "[MIDDLE]",
                                                    "<mask_1>",
                                                    "<sep>",
                                                    "<eom>"};

[[nodiscard]] inline bool is_end_name(std::string_view name) noexcept {
    return std::ranges::find(end_names, name) != std::end(end_names);
}
[[nodiscard]] inline bool is_middle_name(std::string_view name) noexcept {
    return std::ranges::find(middle_names, name) != std::end(middle_names);
}

/// Returns whether a token of this name controls a model even if its file declares it text. llama.cpp treats each of
/// these names so; names that occur in HTML or documents, such as </s> and [PAD], are excluded here.
[[nodiscard]] inline bool is_control_name(std::string_view name) noexcept {
    for (const std::string_view start : {"<|", "<\uff5c", "<fim", "<[fim", "<end_of_"}) {
        if (name.starts_with(start)) return is_end_name(name) || is_middle_name(name);
    }
    return false;
}
/// The same for a token that its file adds to the vocabulary without marking it special.
[[nodiscard]] inline bool is_added_control_name(std::string_view name) noexcept {
    return is_control_name(name) || is_middle_name(name);
}

/// Adds the tokens that end a text by their name to those given in a model's files.
/// @param find returns the control token of a name: find(name) -> std::optional<token_id>
template <class Find>
void add_ends_by_name(std::vector<token_id>& ends, const Find& find) {
    const auto has = [&](const char* name) { return find(std::string_view(name)).has_value(); };
    // As in llama.cpp: with tool calls, <|end|> ends only a message; so does </s> with tool responses.
    const bool end_of_message =
        (has("<|return|>") && has("<|call|>")) || ((has("<|call|>") || has("<|calls|>")) && has("<|flush|>"));
    for (const std::string_view name : end_names) {
        if (name == "<|end|>" && end_of_message) continue;
        if (name == "</s>" && has("<|tool_response>")) continue;
        const std::optional<token_id> id = find(name);
        if (id && std::ranges::find(ends, *id) == ends.end()) ends.push_back(*id);
    }
}

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#endif
