// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_TEXT_TOKENIZER_FIXTURES_HPP
#define EARLYOUT_TESTS_TEXT_TOKENIZER_FIXTURES_HPP

#include <earlyout/io/tokenizer_file.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace support {

using json = nlohmann::json;

inline std::string read_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) throw std::runtime_error("cannot read " + path);
    return text.str();
}

inline std::string tokenizer_data(const std::string& name) {
    return read_text(EARLYOUT_TEST_DATA "/tokenizer/" + name);
}

inline std::string from_base64(std::string_view encoded) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    unsigned held = 0;
    int bits = 0;
    for (const char c : encoded) {
        if (c == '=') break;
        held = (held << 6 | static_cast<unsigned>(digits.find(c))) & 0xffffU;
        if ((bits += 6) >= 8) text += static_cast<char>(held >> (bits -= 8) & 0xffU);
    }
    return text;
}

/// UTF-8 of a code point below 0x800.
inline std::string utf8(unsigned code) {
    if (code < 0x80) return {static_cast<char>(code)};
    return {static_cast<char>(0xc0U | code >> 6), static_cast<char>(0x80U | (code & 0x3fU))};
}

/// How tokenizer files spell the 256 bytes, in the order of GPT-2's first 256 ids.
inline std::vector<std::string> spelled_bytes() {
    std::vector<std::string> spelled;
    for (unsigned c = '!'; c <= '~'; ++c) spelled.push_back(utf8(c));
    for (unsigned c = 0xa1; c <= 0xff; ++c) {
        if (c != 0xad) spelled.push_back(utf8(c));
    }
    for (unsigned c = 256; spelled.size() < 256; ++c) spelled.push_back(utf8(c));
    return spelled;
}

/// Returns a file's content: the bytes, then the result of each merge, then the end of text.
inline json tokenizer_json(const std::vector<std::string>& merges) {
    json vocab = json::object();
    for (const std::string& byte : spelled_bytes()) vocab[byte] = vocab.size();
    for (const std::string& merge : merges) {
        const std::size_t space = merge.find(' ');
        vocab[merge.substr(0, space) + merge.substr(space + 1)] = vocab.size();
    }
    const std::size_t end = vocab.size();
    vocab["<|endoftext|>"] = end;
    return {{"added_tokens", {{{"id", end}, {"content", "<|endoftext|>"}, {"special", true}, {"normalized", false}}}},
            {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
            {"decoder", {{"type", "ByteLevel"}}},
            {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
}

/// GPT-2's own, or the start of it.
inline json gpt2_json(std::size_t merges = 50000) {
    std::istringstream lines(tokenizer_data("gpt2_merges.txt"));
    std::vector<std::string> rules;
    std::string line;
    std::getline(lines, line);  // the version
    while (rules.size() < merges && std::getline(lines, line)) rules.push_back(line);
    return tokenizer_json(rules);
}

inline earlyout::text::tokenizer tokenizer_of(const json& content) {
    return earlyout::text::tokenizer::from_json(content.dump(), "made.json");
}

/// A vocabulary over characters as Llama's: three control tokens, the bytes, what merging makes, the characters.
inline json character_model(const json& characters, const json& merges) {
    json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (std::size_t byte = 0; byte < 256; ++byte) {
        vocab[std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">"] = vocab.size();
    }
    const auto add = [&](const std::string& piece) {
        if (!vocab.contains(piece)) vocab[piece] = vocab.size();
    };
    for (const std::string merge : merges) {
        const std::size_t space = merge.find(' ');
        add(merge.substr(0, space) + merge.substr(space + 1));
    }
    for (const std::string character : characters) add(character);
    return {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}};
}

/// A family's file, of families.json.
inline json family_json(const json& golden, const json& family) {
    json content = {{"decoder", nullptr}, {"model", character_model(golden.at("characters"), golden.at("merges"))}};
    if (family.at("base") == "bytes") content = gpt2_json(6000);
    content.erase("added_tokens");
    for (const auto& [key, value] : family.at("change").items()) {
        if (key == "model") {
            content[key].update(value);
        } else {
            content[key] = value;
        }
    }
    return content;
}
inline earlyout::text::tokenizer family_tokenizer(const json& golden, const json& family) {
    return tokenizer_of(family_json(golden, family));
}

inline const earlyout::text::tokenizer& gpt2_tokenizer() {
    static const earlyout::text::tokenizer words = tokenizer_of(gpt2_json());
    return words;
}

inline const earlyout::text::tokenizer& example_tokenizer() {
    static const auto words = earlyout::io::load_tokenizer(EARLYOUT_EXAMPLE_MODEL "/tokenizer.json");
    return words;
}

}  // namespace support

#endif
