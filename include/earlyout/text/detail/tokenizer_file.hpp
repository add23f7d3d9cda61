// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_TOKENIZER_FILE_HPP
#define EARLYOUT_TEXT_DETAIL_TOKENIZER_FILE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/added_tokens_reader.hpp>
#include <earlyout/text/detail/byte_alphabet.hpp>
#include <earlyout/text/detail/decoder_reader.hpp>
#include <earlyout/text/detail/json_place.hpp>
#include <earlyout/text/detail/normalizer_reader.hpp>
#include <earlyout/text/detail/post_processor.hpp>
#include <earlyout/text/detail/pre_tokenizer.hpp>
#include <earlyout/text/detail/spelling.hpp>
#include <earlyout/text/detail/tokenizer_data.hpp>
#include <earlyout/text/detail/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Reads the text of a Hugging Face `tokenizer.json` that holds a BPE, byte-level or over characters, or a WordLevel.
/// `truncation` and `padding` are ignored: encoding never truncates or pads a text.
class tokenizer_file {
public:
    /// @throws error (malformed_file, unsupported) naming `source`
    [[nodiscard]] static tokenizer_data read(std::string_view text, std::string source) {
        const json root = parse_json(text, source, repeated_key::last_counts);
        tokenizer_file reader(text.size());
        reader.data_.source = source;
        reader.read_all(json_place(root, std::move(source)));
        return std::move(reader.data_);
    }

private:
    explicit tokenizer_file(std::size_t size)
        : id_bound_(std::min(size, static_cast<std::size_t>(std::numeric_limits<token_id>::max()))) {}

    void read_all(const json_place& root) {
        const json_place model = root.at("model");
        model.require(model.value().is_object(), "an object");
        pre_tokenizer_reader::result split = pre_tokenizer_reader::read(root.at("pre_tokenizer"));
        data_.symbols.by_character = !split.byte_level;
        data_.split = std::move(split.how);
        data_.normalize = normalizer_reader::read(root.at("normalizer"));
        read_decoder(root);
        check_model(model);
        const json_place vocab = model.at("vocab");
        vocab.require(vocab.value().is_object(), "an object");
        std::vector<added_token> added =
            added_tokens_reader::read(root.at("added_tokens"), vocab.value(),
                                      [this](const json& value, const auto& name) { return read_id(value, name); });
        data_.ignore_merges = model.at("ignore_merges").boolean(false) || data_.whole_words;
        read_vocabulary(vocab, added);
        read_symbols(model);
        if (!data_.whole_words) read_merges(model.at("merges"), vocab);
        data_.added = added_tokens(normalized(std::move(added)));
        text_ends ends = post_processor_reader::read(root.at("post_processor"), data_.words);
        data_.before = std::move(ends.before);
        data_.behind = std::move(ends.behind);
    }

    void read_decoder(const json_place& root) {
        const json_place place = root.at("decoder");
        const bool is_byte_level = asks_for_bytes(place, 0);
        if (data_.symbols.by_character && is_byte_level) {
            root.at("pre_tokenizer").refuse(errc::unsupported, "one that ends with ByteLevel, like the decoder");
        }
        if (!data_.symbols.by_character) {
            if (!is_byte_level && !place.is_null()) place.at("type").refuse(errc::unsupported, "ByteLevel");
            return;
        }
        decode_ = decoder_reader::read(place);
        data_.left_out = decode_.left_out;
    }
    /// Accepts ByteLevel, or a Sequence of nothing else.
    static bool asks_for_bytes(const json_place& place, int depth) {
        if (place.is_null() || depth > 8) return false;
        const std::string& type = place.at("type").string();
        if (type != "Sequence") return type == "ByteLevel";
        const json_place steps = place.at("decoders");
        for (std::size_t i = 0; i < steps.size(); ++i) {
            if (!asks_for_bytes(steps.at(i), depth + 1)) return false;
        }
        return steps.size() > 0;
    }
    /// Refuses settings that would change the tokens.
    void check_model(const json_place& model) {
        const json_place type = model.at("type");
        data_.whole_words = !type.is_null() && type.string() == "WordLevel";
        if (data_.whole_words) return;
        if (!type.is_null() && type.string() != "BPE") type.refuse(errc::unsupported, "BPE or WordLevel");
        const json_place dropout = model.at("dropout");
        dropout.require(dropout.is_null() || dropout.value().is_number(), "null or a number");
        if (!dropout.is_null() && dropout.value().get<double>() != 0.0) dropout.refuse(errc::unsupported, "null");
        (void)model.at("byte_fallback").boolean(false);  // without effect on a vocabulary that has every byte
        for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
            const json_place affix = model.at(key);
            if (!affix.is_null() && !affix.string().empty()) affix.refuse(errc::unsupported, "null");
        }
    }

    /// Ids are indices: one far above the number of pieces would make a small file allocate a lot of memory.
    [[nodiscard]] token_id read_id(const json& value, const auto& name) const {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= id_bound_) {
            json_place(value, name()).refuse(errc::malformed_file, "an id from 0 to below the file's size");
        }
        return static_cast<token_id>(value.get<std::uint64_t>());
    }
    void add(token_id id, std::string bytes, const auto& name) {
        if (data_.words.has(id)) fail(errc::malformed_file, name(), ": expected a unique id, found ", id, " twice");
        data_.words.add(id, std::move(bytes));
    }

    void read_vocabulary(const json_place& place, const std::vector<added_token>& added) {
        const json& pieces = place.value();
        std::unordered_set<std::string_view> literal;  // added tokens are not spelled in the alphabet
        for (const added_token& token : added) literal.insert(token.content);
        std::vector<json::const_iterator> unspelled;
        for (auto piece = pieces.begin(); piece != pieces.end(); ++piece) {
            if (literal.contains(piece.key())) continue;
            const auto name = [&] { return place.name() + ": '" + short_reason(piece.key()) + "'"; };
            if (data_.symbols.by_character) {
                if (decode_.bytes && byte_of_piece(piece.key())) {
                    unspelled.push_back(piece);
                } else {
                    add(read_id(*piece, name), decode_(piece.key()), name);
                }
            } else if (std::optional<std::string> bytes = gpt2_alphabet.bytes(piece.key())) {
                add(read_id(*piece, name), *std::move(bytes), name);
            } else {
                unspelled.push_back(piece);
            }
        }
        // Pieces outside the alphabet are literal, and come last so as not to hide a piece that it can spell; so do a
        // vocabulary's bytes, after its characters.
        for (const auto& piece : unspelled) {
            const auto name = [&] { return place.name() + ": '" + short_reason(piece.key()) + "'"; };
            add(read_id(*piece, name), data_.symbols.by_character ? decode_(piece.key()) : piece.key(), name);
        }
        for (const added_token& token : added) {
            data_.words.add(token.id, data_.symbols.by_character ? decode_(token.content) : token.content);
            if (decode_.spaced) data_.words.add_name(token.id, token.content);
            if (token.special) data_.words.mark_special(token.id);
        }
    }
    /// `unk_token` and `fuse_unk` have no effect on a BPE whose vocabulary has every byte.
    void read_symbols(const json_place& model) {
        const json_place vocab = model.at("vocab");
        if (data_.symbols.by_character) {
            read_characters(model, vocab);
        } else if (read_bytes(vocab) && !data_.whole_words) {
            return;
        } else if (const json_place fallback = model.at("byte_fallback"); fallback.boolean(false)) {
            check_fallback(fallback, vocab.value());
        }
        data_.symbols.fuse_unknown = model.at("fuse_unk").boolean(false);
        const json_place unknown = model.at("unk_token");
        if (unknown.is_null() && !data_.whole_words) return;
        const auto found = vocab.value().find(unknown.string());
        unknown.require(found != vocab.value().end(), "a piece of the vocabulary");
        data_.symbols.unknown = read_id(*found, [&] { return vocab.name(); });
    }
    /// Refuses pieces that are bytes beside an alphabet of bytes, some of which have no piece.
    static void check_fallback(const json_place& fallback, const json& vocab) {
        for (const auto& [piece, value] : vocab.items()) {
            if (byte_of_piece(piece)) {
                fallback.refuse(errc::unsupported,
                                "false, as the byte-level vocabulary lacks bytes and has '" + piece + "'");
            }
        }
    }
    void read_characters(const json_place& model, const json_place& vocab) {
        const bool bytes = model.at("byte_fallback").boolean(false);
        const bool words = data_.ignore_merges;
        for (const auto& [piece, value] : vocab.value().items()) {
            const token_id id = read_id(value, [&] { return vocab.name(); });
            if (const std::size_t size = look_at_utf8(piece).needed; size == piece.size() && size > 0) {
                data_.symbols.characters.add(utf8_code_point(piece, size), id);
            }
            if (const auto byte = byte_of_piece(piece); byte && bytes) data_.symbols.bytes[*byte] = id;
            if (words) data_.spelled.add(id, piece);
        }
    }
    /// @return whether every byte has a piece; not so in a vocabulary trained without the whole alphabet
    [[nodiscard]] bool read_bytes(const json_place& vocab) {
        for (const auto& [piece, value] : vocab.value().items()) {
            if (piece.size() > 2) continue;  // all of the alphabet is below U+0800
            const std::optional<std::string> byte = gpt2_alphabet.bytes(piece);
            if (!byte || byte->size() != 1) continue;
            data_.symbols.bytes[static_cast<unsigned char>(byte->front())] =
                read_id(value, [&] { return vocab.name(); });
        }
        data_.symbols.all_bytes = std::ranges::find(data_.symbols.bytes, no_token) == data_.symbols.bytes.end();
        return data_.symbols.all_bytes;
    }

    void read_merges(const json_place& place, const json_place& vocab) {
        const std::size_t count = place.size();
        std::vector<merge_rule> rules;
        rules.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            const json& entry = place.value()[i];
            // The first line of merges.txt, which some files keep.
            if (i == 0 && entry.is_string() && entry.get_ref<const std::string&>().starts_with("#version:")) continue;
            const auto [left, right] = read_pair(entry, place, i);
            const std::string merged = std::string(left).append(right);
            const auto id = [&](std::string_view spelled) { return read_piece(spelled, place, i, vocab); };
            rules.push_back({id(left), id(right), static_cast<std::uint32_t>(i), id(merged)});
        }
        data_.merges = merge_table(std::move(rules), data_.words.size(), data_.symbols);
    }
    /// Reads "a b" or ["a", "b"].
    static std::pair<std::string_view, std::string_view> read_pair(const json& entry, const json_place& merges,
                                                                   std::size_t i) {
        if (entry.is_string()) {
            const std::string_view text = entry.get_ref<const std::string&>();
            const std::size_t space = text.find(' ');
            if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos) {
                return {text.substr(0, space), text.substr(space + 1)};
            }
        } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
            return {entry[0].get_ref<const std::string&>(), entry[1].get_ref<const std::string&>()};
        }
        merges.at(i).refuse(errc::malformed_file, "two pieces");
    }
    [[nodiscard]] token_id read_piece(std::string_view spelled, const json_place& merges, std::size_t i,
                                      const json_place& vocab) const {
        std::optional<token_id> id;
        if (data_.symbols.by_character) {
            const auto found = vocab.value().find(std::string(spelled));
            if (found != vocab.value().end()) id = read_id(*found, [&] { return vocab.name(); });
        } else {
            const std::optional<std::string> bytes = gpt2_alphabet.bytes(spelled);
            id = data_.words.find(bytes ? std::string_view(*bytes) : spelled);
        }
        if (!id || spelled.empty()) {
            fail(errc::malformed_file, merges.at(i).name(), ": expected pieces of the vocabulary, found '",
                 short_reason(spelled), "'");
        }
        return *id;
    }
    /// Tokens that are searched for in normalized text are normalized too.
    [[nodiscard]] std::vector<added_token> normalized(std::vector<added_token> added) const {
        if (data_.normalize.steps.empty()) return added;
        normalize_runner normalize(data_.normalize);
        std::unordered_set<std::string> seen;
        std::vector<added_token> kept;
        for (added_token& token : added) {
            if (token.normalized) {
                token.content = std::string(normalize(token.content, true));
                if (token.content.empty() || !seen.insert(token.content).second) continue;
            }
            kept.push_back(std::move(token));
        }
        return kept;
    }

    std::size_t id_bound_;
    tokenizer_data data_;
    decoding decode_;  // of a vocabulary over characters
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
