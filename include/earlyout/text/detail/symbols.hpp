// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_SYMBOLS_HPP
#define EARLYOUT_TEXT_DETAIL_SYMBOLS_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/utf8.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

inline constexpr token_id no_token = -1;

/// Tokens by code point: a two-level table that stores only the pages in use.
class character_ids {
public:
    /// The first of two with the same code point counts.
    void add(char32_t code, token_id id) {
        if (pages_.empty()) pages_.push_back(nothing());  // shared by all unused pages
        if ((code >> bits) >= page_of_.size()) page_of_.resize((code >> bits) + 1);
        std::uint16_t& used = page_of_[code >> bits];
        if (used == 0) {
            used = static_cast<std::uint16_t>(pages_.size());
            pages_.push_back(nothing());
        }
        token_id& place = pages_[used][code & (page_size - 1)];
        if (place == no_token) place = id;
    }
    /// Returns no_token if no token is this character.
    [[nodiscard]] token_id find(char32_t code) const noexcept {
        const std::size_t at = code >> bits;
        return at < page_of_.size() ? pages_[page_of_[at]][code & (page_size - 1)] : no_token;
    }

private:
    static constexpr unsigned bits = 7;
    static constexpr std::size_t page_size = std::size_t{1} << bits;
    using page = std::array<token_id, page_size>;

    static page nothing() {
        page made;
        made.fill(no_token);
        return made;
    }

    std::vector<std::uint16_t> page_of_;
    std::vector<page> pages_;
};

/// Where merging begins: the tokens of a word's smallest parts. In a byte-level vocabulary these are its bytes; else
/// its characters, and for one without a token its bytes, if all of them have one. Parts without a token are omitted,
/// or become the unknown token.
struct symbol_table {
    bool by_character = false;
    bool all_bytes = false;                       ///< of a byte-level vocabulary: every byte has a token
    std::array<token_id, 256> bytes = nothing();  ///< no_token where there is none
    character_ids characters;
    token_id unknown = no_token;  ///< no_token: unknown characters are omitted
    bool fuse_unknown = false;    ///< consecutive unknown characters are one token

    /// Calls symbol(id) for the parts of `word`, any bytes, from left to right.
    template <class Symbol>
    void each(std::string_view word, Symbol&& symbol) const {
        if (all_bytes && !by_character) {
            for (const char c : word) symbol(bytes[static_cast<unsigned char>(c)]);
            return;
        }
        bool pending = false;  // an unknown token, emitted before the next known character
        while (!word.empty()) {
            const auto [id, size] = by_character ? next_character(word) : next_byte(word);
            const std::string_view text = word.substr(0, size);
            word.remove_prefix(size);
            if (id == no_token && by_character && each_byte(text, symbol)) continue;
            if (pending && !(id == no_token && fuse_unknown)) symbol(unknown);
            pending = id == no_token && unknown != no_token;
            if (id != no_token) symbol(id);
        }
        if (pending) symbol(unknown);
    }

private:
    struct part {
        token_id id;
        std::size_t size;
    };
    [[nodiscard]] part next_character(std::string_view word) const {
        const utf8_prefix here = look_at_utf8(word);
        if (!here.complete()) return {no_token, 1};
        return {characters.find(utf8_code_point(word, here.needed)), here.needed};
    }
    [[nodiscard]] part next_byte(std::string_view word) const {
        return {bytes[static_cast<unsigned char>(word.front())], 1};
    }
    static constexpr std::array<token_id, 256> nothing() {
        std::array<token_id, 256> made{};
        made.fill(no_token);
        return made;
    }
    template <class Symbol>
    bool each_byte(std::string_view text, Symbol& symbol) const {
        for (const char c : text) {
            if (bytes[static_cast<unsigned char>(c)] == no_token) return false;
        }
        for (const char c : text) symbol(bytes[static_cast<unsigned char>(c)]);
        return true;
    }
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
