// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_PARTS_READER_HPP
#define EARLYOUT_TEXT_DETAIL_PARTS_READER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/byte_alphabet.hpp>
#include <earlyout/text/detail/pre_tokenizer.hpp>
#include <earlyout/text/detail/published_patterns.hpp>
#include <earlyout/text/detail/spelling.hpp>
#include <earlyout/text/detail/tokenizer_data.hpp>
#include <earlyout/text/json.hpp>
#include <earlyout/text/tokenizer_parts.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Makes a tokenizer from its parts, which may come from a file of any content.
class parts_reader {
public:
    /// @throws error (malformed_file, unsupported) naming `parts.source`
    [[nodiscard]] static tokenizer_data read(tokenizer_parts parts) {
        parts_reader reader(std::move(parts));
        reader.read_all();
        return std::move(reader.data_);
    }

private:
    using kind = tokenizer_parts::kind;

    explicit parts_reader(tokenizer_parts parts) : parts_(std::move(parts)) {}

    template <class... What>
    [[noreturn]] void malformed(const What&... what) const {
        fail(errc::malformed_file, parts_.source, ": ", what...);
    }
    [[nodiscard]] bool by_character() const noexcept {
        return parts_.type == tokenizer_parts::algorithm::sentence_piece;
    }
    [[nodiscard]] kind kind_of(std::size_t id) const noexcept {
        return parts_.kinds.empty() ? kind::normal : parts_.kinds[id];
    }

    void read_all() {
        data_.source = parts_.source;
        check();
        std::vector<added_token> added = read_pieces();
        read_symbols();
        std::vector<merge_rule> rules = parts_.merges.empty() ? rules_of_scores() : rules_of_merges();
        data_.merges = merge_table(std::move(rules), data_.words.size(), data_.symbols);
        data_.ignore_merges = parts_.ignore_merges;
        data_.added = added_tokens(std::move(added));
        read_text_steps();
        data_.before = ends(parts_.before, "tokens before a text");
        data_.behind = ends(parts_.behind, "tokens behind a text");
    }
    void check() const {
        const std::size_t count = parts_.pieces.size();
        if (count == 0) malformed("pieces: expected some, found none");
        if (count > static_cast<std::size_t>(std::numeric_limits<token_id>::max())) {
            malformed("pieces: expected fewer than 2^31, found ", count);
        }
        const auto of_each = [&](std::size_t found, const char* what) {
            if (found != 0 && found != count)
                malformed(what, ": expected one for each of ", count, " pieces, found ", found);
        };
        of_each(parts_.kinds.size(), "kinds");
        of_each(parts_.scores.size(), "scores");
        for (const kind k : parts_.kinds) {
            if (k > kind::byte) malformed("kinds: expected 0 to 5, found ", static_cast<int>(k));
        }
        if (!by_character() || !parts_.merges.empty()) return;
        if (parts_.scores.empty()) malformed("expected merges or scores, found neither");
        if (std::ranges::any_of(parts_.scores, [](float s) { return std::isnan(s); })) {
            malformed("scores: expected numbers, found NaN");
        }
    }

    /// Returns those that are searched for in the text as it is.
    std::vector<added_token> read_pieces() {
        std::vector<added_token> added;
        std::unordered_map<std::string_view, token_id> literal;
        std::vector<std::size_t> later;
        for (std::size_t i = 0; i < parts_.pieces.size(); ++i) {
            const std::string& piece = parts_.pieces[i];
            const auto id = static_cast<token_id>(i);
            const kind k = kind_of(i);
            if (valid_utf8_prefix(piece) != piece.size()) malformed("piece ", i, ": expected UTF-8, found other bytes");
            if (k == kind::control || k == kind::user_defined || k == kind::unknown) {
                if (!piece.empty() && piece.size() <= 1024 && literal.emplace(piece, id).second) {
                    added.push_back(
                        {.content = piece, .id = id, .special = k != kind::user_defined, .normalized = false});
                }
                later.push_back(i);
            } else if (k == kind::byte && by_character()) {
                later.push_back(i);
            } else {
                ids_.emplace(piece, id);
                add_normal(id, piece, later);
            }
        }
        // After the pieces that form texts, which find() must return first.
        for (const std::size_t i : later) {
            const auto id = static_cast<token_id>(i);
            const kind k = kind_of(i);
            const std::optional<unsigned char> byte = k == kind::byte ? byte_of_piece(parts_.pieces[i]) : std::nullopt;
            if (k == kind::byte && !byte)
                malformed("piece ", i, ": expected one byte as in '<0x0A>', found '", short_reason(parts_.pieces[i]),
                          "'");
            if (byte) {
                data_.words.add(id, std::string(1, static_cast<char>(*byte)));
                token_id& place = data_.symbols.bytes[*byte];
                if (place == no_token) place = id;
            } else {
                data_.words.add(id, by_character() ? with_spaces(parts_.pieces[i]) : parts_.pieces[i]);
            }
            if (k == kind::user_defined) ids_.emplace(parts_.pieces[i], id);  // merges may make it too
            if (k == kind::unknown && data_.symbols.unknown == no_token) data_.symbols.unknown = id;
            if (k == kind::control || k == kind::unknown) data_.words.mark_special(id);
        }
        return added;
    }
    void add_normal(token_id id, const std::string& piece, std::vector<std::size_t>& later) {
        if (by_character()) {
            data_.words.add(id, with_spaces(piece));
        } else if (std::optional<std::string> bytes = gpt2_alphabet.bytes(piece)) {
            data_.words.add(id, *std::move(bytes));
        } else {
            later.push_back(static_cast<std::size_t>(id));
        }
    }

    void read_symbols() {
        symbol_table& symbols = data_.symbols;
        symbols.by_character = by_character();
        if (!by_character()) {
            symbols.unknown = no_token;
            for (std::size_t byte = 0; byte < symbols.bytes.size(); ++byte) {
                const char bytes[] = {static_cast<char>(byte)};
                const std::optional<token_id> id = data_.words.find({bytes, 1});
                symbols.bytes[byte] = id.value_or(no_token);  // a byte without a token is omitted, as in llama.cpp
            }
            symbols.all_bytes = std::ranges::find(symbols.bytes, no_token) == symbols.bytes.end();
            return;
        }
        for (std::size_t i = 0; i < parts_.pieces.size(); ++i) {
            const std::string& piece = parts_.pieces[i];
            const auto found = ids_.find(piece);
            if (found == ids_.end() || found->second != static_cast<token_id>(i)) continue;
            if (const std::size_t size = look_at_utf8(piece).needed; size == piece.size() && size != 0) {
                symbols.characters.add(utf8_code_point(piece, size), found->second);
            }
            if (parts_.ignore_merges) data_.spelled.add(found->second, piece);
        }
    }

    [[nodiscard]] std::vector<merge_rule> rules_of_merges() const {
        std::vector<merge_rule> rules;
        rules.reserve(parts_.merges.size());
        for (std::size_t i = 0; i < parts_.merges.size(); ++i) {
            const std::string_view text = parts_.merges[i];
            const std::size_t space = text.find(' ', 1);
            if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
                malformed("merge ", i, ": expected two pieces, found '", short_reason(text), "'");
            }
            const std::string_view left = text.substr(0, space);
            const std::string_view right = text.substr(space + 1);
            rules.push_back({piece_of(left, i), piece_of(right, i), static_cast<std::uint32_t>(i),
                             piece_of(std::string(left).append(right), i)});
        }
        return rules;
    }
    [[nodiscard]] token_id piece_of(std::string_view spelled, std::size_t merge) const {
        const auto found = ids_.find(spelled);
        if (found == ids_.end()) {
            malformed("merge ", merge, ": expected pieces of the vocabulary, found '", short_reason(spelled), "'");
        }
        return found->second;
    }

    /// Returns each way to make a piece of two others, ranked by its score.
    [[nodiscard]] std::vector<merge_rule> rules_of_scores() const {
        std::vector<merge_rule> rules;
        if (parts_.scores.empty() || !by_character()) return rules;
        std::vector<float> order;
        for (const auto& [piece, id] : ids_) order.push_back(parts_.scores[static_cast<std::size_t>(id)]);
        std::ranges::sort(order, std::greater());
        order.erase(std::unique(order.begin(), order.end()), order.end());
        for (std::size_t i = 0; i < parts_.pieces.size(); ++i) {
            const std::string_view piece = parts_.pieces[i];
            const auto found = ids_.find(piece);
            if (found == ids_.end() || found->second != static_cast<token_id>(i)) continue;
            const auto rank = std::ranges::lower_bound(order, parts_.scores[i], std::greater()) - order.begin();
            if (piece.size() > longest_scored) continue;
            for (std::size_t at = 0; at < piece.size();) {
                at += look_at_utf8(piece.substr(at)).needed;
                const auto left = ids_.find(piece.substr(0, at));
                if (at == piece.size() || left == ids_.end()) continue;
                const auto right = ids_.find(piece.substr(at));
                if (right == ids_.end()) continue;
                rules.push_back({left->second, right->second, static_cast<std::uint32_t>(rank), found->second});
            }
        }
        // Short pieces first: others are made of them.
        std::ranges::stable_sort(rules, {}, [&](const merge_rule& rule) {
            return parts_.pieces[static_cast<std::size_t>(rule.merged)].size();
        });
        return rules;
    }

    void read_text_steps() {
        const std::string space(sentence_piece_space);
        auto& steps = data_.normalize.steps;
        data_.normalize.source = parts_.source;
        if (parts_.normal_form_c) steps.push_back(unicode_step({}, parts_.source));
        if (by_character()) {
            using step = normalizer_step::kind;
            if (parts_.add_space_prefix) {
                steps.push_back({.what = step::prepend, .from = {}, .at = {}, .to = space});
                data_.left_out.spaces = 1;
            }
            steps.push_back({.what = step::replace, .from = " ", .at = {}, .to = space});
            return;
        }
        data_.split.add_prefix_space = parts_.add_space_prefix;
        std::vector<std::string> patterns = parts_.patterns;
        if (patterns.empty() && !parts_.whole_text) patterns.emplace_back(gpt2_pattern);
        for (const std::string& expression : patterns) {
            data_.split.steps.push_back(split_at(expression, split_behavior::isolated, parts_.source + ": pattern"));
        }
        data_.split.prefix_before_last = !data_.split.steps.empty();
    }
    [[nodiscard]] std::vector<token_id> ends(const std::vector<token_id>& ids, const char* what) const {
        for (const token_id id : ids) {
            if (!data_.words.has(id)) malformed(what, ": expected ids below ", data_.words.size(), ", found ", id);
        }
        return ids;
    }

    // Max bytes of a piece that scores can make; the time to find its splits grows with the square.
    static constexpr std::size_t longest_scored = 512;

    tokenizer_parts parts_;
    tokenizer_data data_;
    std::unordered_map<std::string_view, token_id> ids_;  // as spelled, of those that form texts
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
