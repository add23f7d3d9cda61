// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_GGUF_PATTERNS_HPP
#define EARLYOUT_IO_DETAIL_GGUF_PATTERNS_HPP

#include <earlyout/core/config.hpp>

#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// How a byte-level tokenizer splits a text, by its name in a GGUF file's `tokenizer.ggml.pre`. The expressions are
/// those of the models' own tokenizer.json; each splits the output of the previous one. As in llama.cpp, and unlike
/// Qwen2's tokenizer.json, none requires a Unicode normal form.
struct gguf_pattern {
    std::string_view name;
    std::span<const char* const> cuts;  ///< none: GPT-2's
    bool ignore_merges = false;
    bool begins_with_bos = false;  ///< if a file does not specify it
};

inline constexpr const char* gpt2_cut = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))";
inline constexpr const char* llama3_cuts[] = {
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};
inline constexpr const char* qwen2_cuts[] = {
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};
inline constexpr const char* starcoder_cuts[] = {"\\p{N}", gpt2_cut};
inline constexpr const char* deepseek_coder_cuts[] = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
                                                      "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", "\\p{N}"};
/// llama.cpp's default if a file does not specify one.
inline constexpr const char* default_cuts[] = {R"([\p{P}\$\+<=>\^~\|]+)", gpt2_cut, R"(\p{N}+)", "[0-9][0-9][0-9]"};

inline constexpr const char* falcon_cuts[] = {R"([\p{P}\$\+<=>\^~\|`]+)", gpt2_cut, "[0-9][0-9][0-9]"};
inline constexpr const char* deepseek_llm_cuts[] = {
    "[\\r\\n]",
    "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d"
    "\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
    "\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139"
    "\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d"
    "\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a"
    "\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"
    "\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+",
    "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
    "\\s+$",
    "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
    "\\p{N}+"};
inline constexpr const char* deepseek_v3_cuts[] = {
    "\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    ("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
     " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")};
inline constexpr const char* qwen35_cuts[] = {
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};
inline constexpr const char* seed_coder_cuts[] = {
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};
inline constexpr const char* tekken_cuts[] = {
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}|"
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};
inline constexpr const char* gpt4o_cuts[] = {
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};

inline constexpr const char* bloom_cuts[] = {" ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"};
inline constexpr const char* viking_cuts[] = {bloom_cuts[0], "\\p{N}"};
inline constexpr const char* ufakzeka_cuts[] = {
    R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
inline constexpr const char* minicpm5_cuts[] = {
    "\\p{N}{1,3}",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};
inline constexpr const char* jais2_cuts[] = {
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|"
    "\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"};
inline constexpr const char* bailing_cuts[] = {
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|"
    "\\s+(?!\\S)|\\s+"};
inline constexpr const char* aya_cuts[] = {R"(\d{1,3}(?=(?:\d{3})*\b))", gpt4o_cuts[0]};
inline constexpr const char* youtu_cuts[] = {
    "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-"
    "\ufe4f]+|"
    "[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};

/// Llama 3's: whole words first, and a beginning-of-text token if a file does not specify it.
constexpr gguf_pattern like_llama3(std::string_view name) { return {name, llama3_cuts, true, true}; }
constexpr gguf_pattern like_gpt2(std::string_view name) { return {name, {}}; }
constexpr gguf_pattern like_starcoder(std::string_view name) { return {name, starcoder_cuts}; }
constexpr gguf_pattern like_qwen2(std::string_view name) { return {name, qwen2_cuts}; }

/// llama.cpp's names (src/llama-vocab.cpp); several share one pattern.
inline constexpr gguf_pattern gguf_patterns[] = {{"default", default_cuts},
                                                 like_gpt2("gpt-2"),
                                                 like_llama3("llama-bpe"),
                                                 like_llama3("llama3"),
                                                 like_llama3("llama-v3"),
                                                 like_qwen2("qwen2"),
                                                 like_starcoder("starcoder"),
                                                 like_starcoder("refact"),
                                                 like_starcoder("smollm"),
                                                 {"deepseek-coder", deepseek_coder_cuts},
                                                 {"deepseek-llm", deepseek_llm_cuts},
                                                 {"deepseek-v3", deepseek_v3_cuts},
                                                 {"hunyuan-dense", deepseek_v3_cuts},
                                                 {"joyai-llm", deepseek_v3_cuts},
                                                 {"hy_v4", deepseek_v3_cuts},
                                                 {"falcon", falcon_cuts},
                                                 {"qwen35", qwen35_cuts},
                                                 {"seed-coder", seed_coder_cuts},
                                                 {"tekken", tekken_cuts, true, true},
                                                 {"gpt-4o", gpt4o_cuts},
                                                 {"llama4", gpt4o_cuts},
                                                 {"kanana2", gpt4o_cuts},
                                                 {"talkie", gpt4o_cuts},
                                                 {"minimax-m2", gpt4o_cuts},
                                                 {"tiny_aya", aya_cuts},
                                                 {"cohere2moe", aya_cuts},
                                                 {"youtu", youtu_cuts, true},
                                                 {"bloom", bloom_cuts},
                                                 {"poro-chat", bloom_cuts},
                                                 {"gpt3-finnish", bloom_cuts},
                                                 {"viking", viking_cuts},
                                                 {"minicpm5", minicpm5_cuts, true},
                                                 {"ufakzeka", ufakzeka_cuts},
                                                 {"jais-2", jais2_cuts},
                                                 {"bailingmoe", bailing_cuts},
                                                 {"bailingmoe2", bailing_cuts},
                                                 {"llada-moe", bailing_cuts},
                                                 {"dbrx", llama3_cuts},
                                                 {"smaug-bpe", llama3_cuts},
                                                 {"glm4", llama3_cuts},
                                                 {"chatglm-bpe", llama3_cuts},
                                                 like_llama3("falcon3"),
                                                 like_llama3("falcon-h1"),
                                                 like_llama3("pixtral"),
                                                 like_llama3("midm-2.0"),
                                                 like_llama3("lfm2"),
                                                 like_llama3("jina-v5-nano"),
                                                 like_qwen2("deepseek-r1-qwen"),
                                                 like_qwen2("kormo"),
                                                 like_qwen2("f2llmv2"),
                                                 like_qwen2("megrez"),
                                                 like_qwen2("stablelm2"),
                                                 like_qwen2("hunyuan"),
                                                 like_qwen2("solar-open"),
                                                 like_qwen2("grok-2"),
                                                 like_gpt2("phi-2"),
                                                 like_gpt2("mellum"),
                                                 like_gpt2("gigachat"),
                                                 like_gpt2("jina-es"),
                                                 like_gpt2("jina-de"),
                                                 like_gpt2("jina-v2-es"),
                                                 like_gpt2("jina-v2-de"),
                                                 like_gpt2("a.x-4.0"),
                                                 like_gpt2("modern-bert"),
                                                 like_gpt2("mpt"),
                                                 like_gpt2("olmo"),
                                                 like_gpt2("jais"),
                                                 like_gpt2("trillion"),
                                                 like_gpt2("granite-docling"),
                                                 like_gpt2("exaone4"),
                                                 like_starcoder("command-r"),
                                                 like_starcoder("codeshell"),
                                                 like_starcoder("exaone"),
                                                 like_starcoder("minerva-7b"),
                                                 like_starcoder("mellum2")};

/// Returns nullptr for an unknown name.
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
