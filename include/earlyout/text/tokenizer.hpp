// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_TOKENIZER_HPP
#define EARLYOUT_TEXT_TOKENIZER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/parts_reader.hpp>
#include <earlyout/text/detail/tokenizer_data.hpp>
#include <earlyout/text/detail/tokenizer_file.hpp>
#include <earlyout/text/stream_decoder.hpp>
#include <earlyout/text/tokenizer_parts.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text {

/// How `tokenizer::encode` reads a text.
struct encode_options {
    bool special_tokens = true;       ///< the text of a special token is that token; if not, as any text of a user is
    bool add_special_tokens = false;  ///< with tokens_before() and tokens_behind() around the text
    bool continues = false;           ///< the text goes on from another: no space is put before it
};

/// BPE tokenizer: byte-level (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"), or over
/// characters with bytes for those that have no token (Kudo and Richardson 2018, "SentencePiece"), as Hugging Face's
/// `tokenizer.json` describes them or as given in parts. Immutable; any number of threads may use one. Copies share
/// what they know, and views and stream decoders stay valid as long as one of them lives.
class tokenizer {
public:
    /// One that knows no token, for a model that came without: it refuses every text.
    /// @param source begins the message of errors
    explicit tokenizer(std::string source) : tokenizer(without_tokens(std::move(source))) {}

    /// @param text   of a `tokenizer.json`; io::load_tokenizer reads the file
    /// @param source names it in errors
    /// @throws error (malformed_file) when the text breaks the format, (unsupported) when it asks for a model,
    ///         a normalizer, a pre-tokenizer or a pattern that is not there
    [[nodiscard]] static tokenizer from_json(std::string_view text, std::string source) {
        try {
            return tokenizer(detail::tokenizer_file::read(text, source));
        } catch (...) {
            earlyout::detail::rethrow_as_error(source);
        }
    }
    /// One that did not come as a `tokenizer.json`; `tokenizer_parts` says what the fields mean.
    /// @throws error (malformed_file, unsupported) naming `parts.source`
    [[nodiscard]] static tokenizer from_parts(tokenizer_parts parts) {
        return earlyout::detail::only_errors("tokenizer",
                                             [&] { return tokenizer(detail::parts_reader::read(std::move(parts))); });
    }

    /// Tokens of any bytes. Added tokens in the text are found as Hugging Face finds them; nothing is added at
    /// either end unless asked for. Bytes that are not UTF-8 are encoded as they are, but for vocabularies over
    /// characters that lack a token for such a byte.
    /// @throws error (unsupported) when the file's pattern costs too much on this text
    [[nodiscard]] std::vector<token_id> encode(std::string_view text, const encode_options& options = {}) const {
        std::vector<token_id> ids;
        if (options.add_special_tokens) ids.assign(tokens_before().begin(), tokens_before().end());
        if (!text.empty()) append(text, options, ids);
        if (options.add_special_tokens) ids.insert(ids.end(), data_->behind.begin(), data_->behind.end());
        return ids;
    }
    /// Tokens of a text of a user, in which nothing stands for a special token: as encode() without `special_tokens`.
    [[nodiscard]] std::vector<token_id> encode_plain(std::string_view text) const {
        return encode(text, {.special_tokens = false});
    }
    /// What goes before a text, such as a beginning-of-text token: what the tokenizer's post-processor puts there, or
    /// what with_tokens_before() was given.
    [[nodiscard]] std::span<const token_id> tokens_before() const noexcept {
        return before_ ? std::span<const token_id>(*before_) : data_->before;
    }
    /// And what it puts behind one.
    [[nodiscard]] std::span<const token_id> tokens_behind() const noexcept { return data_->behind; }

    /// The same tokenizer with other tokens before a text.
    /// @throws error (out_of_range) for one that it does not know
    [[nodiscard]] tokenizer with_tokens_before(std::vector<token_id> before) const {
        for (const token_id id : before) (void)piece(id);
        tokenizer made = *this;
        made.before_ = std::make_shared<const std::vector<token_id>>(std::move(before));
        return made;
    }

    /// The bytes of tokens that begin a text, special ones included; without the space that encoding puts before
    /// every text, where it does. Bytes that make no character are there as they are.
    /// @throws error (out_of_range) for an unknown id
    [[nodiscard]] std::string decode(std::span<const token_id> ids) const {
        std::size_t size = 0;
        for (const token_id id : ids) size += piece(id).size();
        std::string text(size, '\0');
        detail::start_trimmer start(data_->left_out);
        size = 0;
        for (const token_id id : ids) size += start.copy(data_->words.piece(id), text.data() + size);
        text.resize(size);
        return text;
    }

    /// The bytes of one token within a text.
    /// @throws error (out_of_range) for an unknown id
    [[nodiscard]] std::string_view piece(token_id id) const {
        if (!data_->words.has(id)) {
            fail(errc::out_of_range, data_->source, ": token ", id,
                 ": expected an id of the vocabulary, which ends before ", size());
        }
        return data_->words.piece(id);
    }
    /// The token of exactly these bytes.
    [[nodiscard]] std::optional<token_id> find(std::string_view piece) const { return data_->words.find(piece); }
    /// Whether a token has this id.
    [[nodiscard]] bool has(token_id id) const noexcept { return data_->words.has(id); }
    /// False for an unknown id.
    [[nodiscard]] bool is_special(token_id id) const noexcept { return data_->words.is_special(id); }
    /// One more than the highest id. Between them there may be ids without a token.
    [[nodiscard]] std::size_t size() const noexcept { return data_->words.size(); }
    /// Bytes of the longest piece.
    [[nodiscard]] std::size_t max_piece_size() const noexcept { return data_->words.max_piece_size(); }
    /// A decoder for tokens that come one by one and begin a text.
    [[nodiscard]] stream_decoder stream() const { return stream_decoder(words(), data_->left_out); }
    /// One for tokens that go on from a text: their first space is shown.
    [[nodiscard]] stream_decoder continuation_stream() const { return stream_decoder(words()); }

private:
    explicit tokenizer(detail::tokenizer_data data)
        : data_(std::make_shared<const detail::tokenizer_data>(std::move(data))) {}

    [[nodiscard]] std::shared_ptr<const detail::vocabulary> words() const { return {data_, &data_->words}; }

    void append(std::string_view text, const encode_options& options, std::vector<token_id>& ids) const {
        if (data_->words.size() == 0) fail(errc::no_such_file, data_->source, ": there is no tokenizer to encode text");
        detail::normalize_runner normalize(data_->normalize);
        detail::split_runner words(data_->split);
        detail::word_merger merger(data_->merges, data_->symbols);
        const auto encode_word = [&](std::string_view word) {
            if (data_->ignore_merges) {
                if (const std::optional<token_id> whole = data_->whole_word(word)) return ids.push_back(*whole);
            }
            merger.append(word, ids);
        };
        const auto prefix = [&](bool is_first) { return !(is_first && options.continues); };
        data_->added.split(
            text, options.special_tokens,
            [&](std::string_view part, bool is_first) { return normalize(part, prefix(is_first)); },
            [&](token_id id) { ids.push_back(id); },
            [&](std::string_view part, bool is_first) {
                words.each_word(part, is_first, prefix(is_first), encode_word);
            });
    }

    static detail::tokenizer_data without_tokens(std::string source) {
        detail::tokenizer_data data;
        data.source = std::move(source);
        return data;
    }

    std::shared_ptr<const detail::tokenizer_data> data_;
    std::shared_ptr<const std::vector<token_id>> before_;  // in place of the data's
};

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#endif
