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
    std::optional<token_id> prefix;  ///< precedes the prefix text; none: nothing does, and the prefix comes first
    token_id suffix;                 ///< precedes the suffix text
    std::vector<token_id> middle;    ///< follow both texts; the middle comes next
    std::optional<token_id> end;     ///< ends the middle, if the model has a dedicated token for that
    bool suffix_first = false;       ///< the suffix and its token come before the prefix and its token

    /// Returns those of StarCoder, Qwen2.5-Coder, CodeLlama, DeepSeek Coder, Seed-Coder, Codestral, CodeGen2 and models
    /// with the same names; nothing if the tokenizer has none.
    [[nodiscard]] static std::optional<fill_in_the_middle> of(const tokenizer& words) {
        struct names {
            std::string_view prefix, suffix, middle[3], end;
            bool suffix_first = false;
        };
        static constexpr names known[] = {
            {"<fim_prefix>", "<fim_suffix>", {"<fim_middle>"}, ""},
            {"<fim-prefix>", "<fim-suffix>", {"<fim-middle>"}, ""},
            {"<|fim_prefix|>", "<|fim_suffix|>", {"<|fim_middle|>"}, ""},
            {" <PRE>", " <SUF>", {" <MID>"}, " <EOT>"},
            {"<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581hole\uff5c>", {"<\uff5cfim\u2581end\uff5c>"}, ""},
            {"<[fim-prefix]>", "<[fim-suffix]>", {"<[fim-middle]>"}, "", true},
            {"[PREFIX]", "[SUFFIX]", {}, "", true},
            {"", "<mask_1>", {"<|endoftext|>", "<sep>", "<mask_1>"}, "<eom>"}};
        for (const names& name : known) {
            bool complete = true;
            const auto find = [&](std::string_view token) {
                const std::optional<token_id> id = words.find(token);
                complete = complete && (id || token.empty());
                return token.empty() ? std::nullopt : id;
            };
            fill_in_the_middle made{find(name.prefix), find(name.suffix).value_or(0), {}, {}, name.suffix_first};
            for (const std::string_view token : name.middle) {
                if (const auto id = find(token)) made.middle.push_back(*id);
            }
            if (!complete) continue;
            if (!name.end.empty()) made.end = words.find(name.end);
            return made;
        }
        return std::nullopt;
    }

    /// Returns the prompt whose completion belongs between the two, with what the tokenizer puts before a text. The two
    /// are a user's text: special tokens spelled in them are encoded as text too.
    [[nodiscard]] std::vector<token_id> prompt(const tokenizer& words, std::string_view before,
                                               std::string_view behind) const {
        std::vector<token_id> ids(words.tokens_before().begin(), words.tokens_before().end());
        const auto append = [&](std::span<const token_id> more) { ids.insert(ids.end(), more.begin(), more.end()); };
        const auto append_prefix = [&] {
            if (prefix) ids.push_back(*prefix);
            append(words.encode(before, {.special_tokens = false}));
        };
        if (!suffix_first) append_prefix();
        ids.push_back(suffix);
        // Nothing is put between the middle and the suffix.
        append(words.encode(behind, {.special_tokens = false, .continues = true}));
        if (suffix_first) append_prefix();
        append(middle);
        return ids;
    }

    /// Returns such a prompt cut to `kept` tokens: the text farthest from the middle is dropped. The prefix gets three
    /// quarters of the room, the suffix a quarter, and each also what the other does not need.
    /// @param start tokens at the beginning that are kept
    /// @return nothing when these are not the tokens of such a prompt
    /// @throws error (out_of_range) when there is no room for the control tokens
    [[nodiscard]] std::optional<std::vector<token_id>> cut(std::span<const token_id> ids, std::size_t start,
                                                           std::size_t kept) const {
        const auto is_control = [this](token_id id) {
            return id == prefix || id == suffix || std::ranges::find(middle, id) != middle.end();
        };
        const std::span<const token_id> text = ids.subspan(start);
        const auto suffix_at = std::ranges::find(text, suffix);
        const auto prefix_at = prefix ? std::ranges::find(text, *prefix) : text.begin();
        if (suffix_at == text.end() || prefix_at == text.end()) return std::nullopt;
        if (!prefix && std::ranges::search(text, middle).begin() == text.end()) return std::nullopt;
        // The texts: each extends to the next control token.
        const auto up_to_control = [&](auto first) {
            return std::span(first, std::find_if(first, text.end(), is_control));
        };
        const std::span<const token_id> before = up_to_control(prefix_at + (prefix ? 1 : 0));
        const std::span<const token_id> behind = up_to_control(suffix_at + 1);
        const auto frame = prefix ? std::find_if(text.begin(), text.end(), is_control) : text.begin();
        const auto frame_size = start + static_cast<std::size_t>(text.end() - frame) - before.size() - behind.size();
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
        for (auto token = frame; token != text.end();) {
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
