// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_TOKENIZER_DATA_HPP
#define EARLYOUT_TEXT_DETAIL_TOKENIZER_DATA_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/added_tokens.hpp>
#include <earlyout/text/detail/merges.hpp>
#include <earlyout/text/detail/normalizer.hpp>
#include <earlyout/text/detail/splitter.hpp>
#include <earlyout/text/detail/symbols.hpp>
#include <earlyout/text/detail/text_start.hpp>
#include <earlyout/text/detail/vocabulary.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// The shared data of a tokenizer.
struct tokenizer_data {
    std::string source;  ///< prefix of every error message
    vocabulary words;
    symbol_table symbols;
    merge_table merges;
    bool ignore_merges = false;  ///< a word that is a piece is that token, regardless of the merges
    bool whole_words = false;    ///< and any other word is the unknown token: there are no merges
    vocabulary spelled;          ///< for that: pieces as the file spells them, if that is not their bytes
    normalizer normalize;
    splitter split;
    added_tokens added;
    text_start left_out;           ///< when a text is decoded
    std::vector<token_id> before;  ///< what the post-processor adds before a text
    std::vector<token_id> behind;  ///< and after it

    [[nodiscard]] std::optional<token_id> whole_word(std::string_view word) const {
        const std::optional<token_id> id = symbols.by_character ? spelled.find(word) : words.find(word);
        return id && words.is_special(*id) ? std::nullopt : id;  // those are found before words are split, or are text
    }
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
