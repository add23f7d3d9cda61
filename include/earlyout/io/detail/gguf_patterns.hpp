// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_GGUF_PATTERNS_HPP
#define EARLYOUT_IO_DETAIL_GGUF_PATTERNS_HPP

#include <earlyout/core/config.hpp>

#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// How a byte-level tokenizer cuts a text, by the name that a GGUF file has for it in `tokenizer.ggml.pre`. The
/// expressions are those of the models' own tokenizer.json; each cuts what the one before it left. Like llama.cpp, and
/// unlike Qwen2's tokenizer.json, none asks for a Unicode normal form.
struct gguf_pattern {
    std::string_view name;
    std::span<const char* const> cuts;  ///< none: GPT-2's
    bool ignore_merges = false;
};

inline constexpr const char* gpt2_cut = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";
inline constexpr const char* llama3_cuts[] = {
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};
inline constexpr const char* qwen2_cuts[] = {
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};
inline constexpr const char* starcoder_cuts[] = {"\\p{N}", gpt2_cut};
inline constexpr const char* deepseek_coder_cuts[] = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
                                                      "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", "\\p{N}"};
/// What llama.cpp takes where a file does not say.
inline constexpr const char* default_cuts[] = {"[\\p{P}\\$\\+<=>\\^~\\|]+", gpt2_cut, "\\p{N}+", "[0-9][0-9][0-9]"};

inline constexpr gguf_pattern gguf_patterns[] = {
    {"default", default_cuts},        {"gpt-2", {}},
    {"llama-bpe", llama3_cuts, true}, {"llama3", llama3_cuts, true},
    {"llama-v3", llama3_cuts, true},  {"qwen2", qwen2_cuts},
    {"starcoder", starcoder_cuts},    {"refact", starcoder_cuts},
    {"smollm", starcoder_cuts},       {"deepseek-coder", deepseek_coder_cuts}};

/// nullptr: not known.
[[nodiscard]] inline const gguf_pattern* find_gguf_pattern(std::string_view name) noexcept {
    for (const gguf_pattern& pattern : gguf_patterns) {
        if (pattern.name == name) return &pattern;
    }
    return nullptr;
}
[[nodiscard]] inline std::string gguf_pattern_names() {
    std::string names;
    for (const gguf_pattern& pattern : gguf_patterns) names.append(names.empty() ? "" : ", ").append(pattern.name);
    return names;
}

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
