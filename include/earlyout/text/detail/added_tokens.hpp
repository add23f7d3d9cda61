// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_ADDED_TOKENS_HPP
#define EARLYOUT_TEXT_DETAIL_ADDED_TOKENS_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/pattern.hpp>
#include <earlyout/text/detail/published_patterns.hpp>
#include <earlyout/text/detail/utf8.hpp>
#include <earlyout/text/detail/white_space.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// A token that is searched for in the text itself, before the text is split into words.
struct added_token {
    std::string content;
    token_id id = 0;
    bool special = false;
    bool single_word = false;  ///< not within a longer word
    bool lstrip = false;       ///< takes the white space before it
    bool rstrip = false;       ///< takes the white space after it
    bool normalized = true;    ///< searched for after those that are not
};

/// Finds the longest string of a set that begins at a position of a text.
class string_set {
public:
    string_set() = default;
    explicit string_set(std::vector<added_token> tokens) : tokens_(std::move(tokens)) {
        std::ranges::sort(tokens_, {}, &added_token::content);
        for (const added_token& token : tokens_) begins_[static_cast<unsigned char>(token.content[0])] = true;
    }

    [[nodiscard]] bool empty() const noexcept { return tokens_.empty(); }

    /// Returns null when none begins at `at`. Time: the longest string's length times the logarithm of the set's size.
    [[nodiscard]] const added_token* longest_at(std::string_view text, std::size_t at) const noexcept {
        if (!begins_[static_cast<unsigned char>(text[at])]) return nullptr;
        const added_token* found = nullptr;
        auto first = tokens_.begin();
        auto last = tokens_.end();
        // first .. last share their first `depth` bytes with the text.
        for (std::size_t depth = 0; first != last; ++depth) {
            if (first->content.size() == depth) found = &*first++;
            if (first == last || at + depth == text.size()) break;
            const auto byte = [&](const added_token& token) {
                return static_cast<unsigned char>(token.content[depth]);
            };
            const auto same =
                std::ranges::equal_range(first, last, static_cast<unsigned char>(text[at + depth]), {}, byte);
            first = same.begin();
            last = same.end();
        }
        return found;
    }

private:
    std::vector<added_token> tokens_;  // sorted by content, which is never empty
    std::array<bool, 256> begins_{};   // by first byte
};

/// The added tokens of a tokenizer file.
class added_tokens {
public:
    added_tokens() = default;
    explicit added_tokens(std::vector<added_token> tokens) {
        if (std::ranges::any_of(tokens, &added_token::single_word)) {
            word_.emplace(std::string("[").append(word_characters).append("]"), pattern::syntax::regular_expression,
                          "single_word");
        }
        const auto normalized =
            std::ranges::stable_partition(tokens, [](const added_token& t) { return !t.normalized; });
        later_ = string_set({normalized.begin(), normalized.end()});
        tokens.erase(normalized.begin(), normalized.end());
        first_ = string_set(std::move(tokens));
    }

    /// Splits `text` at the added tokens in it, from left to right: calls token(id) for each, and between(text,
    /// is_first) for the text between them; the first part begins where the text does.
    /// @param special   whether special tokens are searched for; if not, they are text
    /// @param normalize applied to a part before the tokens that require normalization are searched for:
    ///                  normalize(text, is_first)
    template <class Normalize, class Token, class Between>
    void split(std::string_view text, bool special, Normalize&& normalize, Token&& token, Between&& between) const {
        split(first_, text, special, token, [&](std::string_view rest, bool is_first) {
            split(later_, normalize(rest, is_first), special, token,
                  [&](std::string_view part, bool first_of_rest) { between(part, is_first && first_of_rest); });
        });
    }

private:
    template <class Token, class Between>
    void split(const string_set& set, std::string_view text, bool special, Token&& token, Between&& between) const {
        std::size_t done = 0;
        for (std::size_t at = 0; at < text.size() && !set.empty();) {
            const added_token* const found = set.longest_at(text, at);
            if (found == nullptr) {
                ++at;
                continue;
            }
            std::size_t begin = at;
            std::size_t end = at += found->content.size();
            if (found->special && !special) continue;
            if (found->single_word && !stands_alone(text, begin, end)) continue;
            if (begin < done) continue;  // in the white space taken by the previous token
            if (found->lstrip) begin -= white_space_suffix(text.substr(done, begin - done));
            if (found->rstrip) end += white_space_prefix(text.substr(end));
            if (begin > done) between(text.substr(done, begin - done), done == 0);
            token(found->id);
            done = end;
        }
        if (done < text.size()) between(text.substr(done), done == 0);
    }
    /// Returns true if no letter, digit or the like touches begin .. end.
    [[nodiscard]] bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) const {
        const std::string_view behind = text.substr(end);
        const utf8_prefix next = look_at_utf8(behind);
        pattern_matcher word(*word_);
        return !word.begins(last_character(text.substr(0, begin))) &&
               !word.begins(next.complete() ? behind.substr(0, next.needed) : std::string_view());
    }

    string_set first_;
    string_set later_;
    std::optional<pattern> word_;  // a word character; set when a token requires single words
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
