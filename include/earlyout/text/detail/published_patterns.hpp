// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_PUBLISHED_PATTERNS_HPP
#define EARLYOUT_TEXT_DETAIL_PUBLISHED_PATTERNS_HPP

#include <earlyout/core/config.hpp>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// GPT-2's words: contractions, letters, numbers, other characters, each with the space before it, and white space.
inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// What Hugging Face's library takes for \w in its own steps, inside a class: the \w of Rust's regex library.
inline constexpr std::string_view word_characters =
    R"(\p{L}\p{Nl}\p{M}\p{Nd}\p{Pc}\x{200c}\x{200d}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";

/// Expressions of well-known files that take linear time on every text: whatever a repetition scans is matched, except
/// for white space, which a later alternative then matches.
inline constexpr std::string_view linear_patterns[] = {
    gpt2_pattern,
    // Llama 3, Qwen2
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    // Digits, Punctuation
    R"(\p{N})",
    R"([\p{P}$+<=>^`|~])",
    // DeepSeek
    "[\r\n]",
    R"([\r\n])",
    R"(\s?\p{L}+)",
    R"(\s?\p{P}+)",
    "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
    R"(\p{N}{1,3})",
};

/// Returns whether the expression is known to take linear time, so that its steps need not be counted.
[[nodiscard]] inline bool takes_linear_time(std::string_view expression) noexcept {
    return std::ranges::find(linear_patterns, expression) != std::end(linear_patterns);
}

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
