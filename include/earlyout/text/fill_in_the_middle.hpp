// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_FILL_IN_THE_MIDDLE_HPP
#define EARLYOUT_TEXT_FILL_IN_THE_MIDDLE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text {

/// The tokens with which a model was trained to complete the missing text between a prefix and a suffix (Bavarian et
/// al. 2022, "Efficient Training of Language Models to Fill in the Middle").
struct fill_in_the_middle {
    token_id prefix;              ///< precedes the prefix text
    token_id suffix;              ///< precedes the suffix text
    token_id middle;              ///< the middle follows
    std::optional<token_id> end;  ///< ends the middle, if the model has a dedicated token for that

    /// Returns those of StarCoder, Qwen2.5-Coder, CodeLlama, DeepSeek Coder and models with the same names; nothing if
    /// the tokenizer has none.
    [[nodiscard]] static std::optional<fill_in_the_middle> of(const tokenizer& words) {
        struct names {
            std::string_view prefix, suffix, middle, end;
        };
        static constexpr names known[] = {
            {"<fim_prefix>", "<fim_suffix>", "<fim_middle>", ""},
            {"<fim-prefix>", "<fim-suffix>", "<fim-middle>", ""},
            {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", ""},
            {" <PRE>", " <SUF>", " <MID>", " <EOT>"},
            {"<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581hole\uff5c>", "<\uff5cfim\u2581end\uff5c>", ""}};
        for (const names& name : known) {
            const auto prefix = words.find(name.prefix);
            const auto suffix = words.find(name.suffix);
            const auto middle = words.find(name.middle);
            if (!prefix || !suffix || !middle) continue;
            return fill_in_the_middle{*prefix, *suffix, *middle,
                                      name.end.empty() ? std::nullopt : words.find(name.end)};
        }
        return std::nullopt;
    }

    /// Returns the prompt whose completion belongs between the two, with what the tokenizer puts before a text. The two
    /// are a user's text: special tokens spelled in them are encoded as text too.
    [[nodiscard]] std::vector<token_id> prompt(const tokenizer& words, std::string_view before,
                                               std::string_view behind) const {
        std::vector<token_id> ids(words.tokens_before().begin(), words.tokens_before().end());
        const auto append = [&](std::span<const token_id> more) { ids.insert(ids.end(), more.begin(), more.end()); };
        ids.push_back(prefix);
        append(words.encode(before, {.special_tokens = false}));
        ids.push_back(suffix);
        // Nothing is put between the middle and the suffix.
        append(words.encode(behind, {.special_tokens = false, .continues = true}));
        ids.push_back(middle);
        return ids;
    }

    /// Returns such a prompt cut to `kept` tokens: the text farthest from the middle is dropped. The prefix gets three
    /// quarters of the room, the suffix a quarter, and each also what the other does not need.
    /// @param start tokens at the beginning that are kept
    /// @return nothing when these are not the tokens of such a prompt
    /// @throws error (out_of_range) when there is no room for the control tokens
    [[nodiscard]] std::optional<std::vector<token_id>> cut(std::span<const token_id> ids, std::size_t start,
                                                           std::size_t kept) const {
        const auto is_control = [this](token_id id) { return id == prefix || id == suffix || id == middle; };
        const auto at = [&](token_id control) { return std::ranges::find(ids.subspan(start), control); };
        if (at(prefix) == ids.end() || at(suffix) == ids.end()) return std::nullopt;
        // The texts: each extends to the next control token.
        const auto behind_control = [&](token_id control) {
            const auto first = at(control) + 1;
            return std::span(first, std::find_if(first, ids.end(), is_control));
        };
        const std::span<const token_id> before = behind_control(prefix), behind = behind_control(suffix);
        const auto frame = std::find_if(ids.begin() + static_cast<std::ptrdiff_t>(start), ids.end(), is_control);
        const auto frame_size = start + static_cast<std::size_t>(ids.end() - frame) - before.size() - behind.size();
        if (frame_size > kept) {
            fail(errc::out_of_range, "prompt: expected room for ", frame_size,
                 " tokens that a fill-in-the-middle prompt needs besides its text, found ", kept);
        }
        const std::size_t room = kept - frame_size;
        const std::size_t behind_kept =
            std::min(behind.size(), std::max(room / 4, room - std::min(room, before.size())));
        const std::size_t before_kept = std::min(before.size(), room - behind_kept);

        std::vector<token_id> made(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(start));
        const auto append = [&](std::span<const token_id> more) { made.insert(made.end(), more.begin(), more.end()); };
        for (auto token = frame; token != ids.end();) {
            if (token == before.begin() && !before.empty()) {
                append(before.last(before_kept));
                token += static_cast<std::ptrdiff_t>(before.size());
            } else if (token == behind.begin() && !behind.empty()) {
                append(behind.first(behind_kept));
                token += static_cast<std::ptrdiff_t>(behind.size());
            } else {
                made.push_back(*token++);
            }
        }
        return made;
    }
};

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#endif
