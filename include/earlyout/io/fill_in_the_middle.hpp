// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_FILL_IN_THE_MIDDLE_HPP
#define EARLYOUT_IO_FILL_IN_THE_MIDDLE_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/io/tokenizer.hpp>

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// The tokens with which a model was trained to write what is missing between two parts of a text (Bavarian et al.
/// 2022, "Efficient Training of Language Models to Fill in the Middle").
struct fill_in_the_middle {
    token_id prefix;              ///< stands before the part before
    token_id suffix;              ///< stands before the part behind
    token_id middle;              ///< what comes now is the middle
    std::optional<token_id> end;  ///< ends the middle, where the model has a token of its own for that

    /// Those of StarCoder, Qwen2.5-Coder, CodeLlama, DeepSeek Coder and whoever names them alike; nothing where the
    /// tokenizer has none.
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

    /// The prompt whose completion belongs between the two, with what the tokenizer puts before a text.
    [[nodiscard]] std::vector<token_id> prompt(const tokenizer& words, std::string_view before,
                                               std::string_view behind) const {
        std::vector<token_id> ids(words.tokens_before().begin(), words.tokens_before().end());
        const auto append = [&](std::span<const token_id> more) { ids.insert(ids.end(), more.begin(), more.end()); };
        ids.push_back(prefix);
        append(words.encode(before));
        ids.push_back(suffix);
        append(words.encode(behind, {.continues = true}));  // nothing is put between the middle and what is behind it
        ids.push_back(middle);
        return ids;
    }
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
