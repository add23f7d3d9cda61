// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_TOKENIZER_HPP
#define EARLYOUT_IO_TOKENIZER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/io/detail/tokenizer_data.hpp>
#include <earlyout/io/detail/tokenizer_file.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/stream_decoder.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout::inline EARLYOUT_ABI {
namespace io {

/// How `tokenizer::encode` reads a text.
struct encode_options {
    bool special_tokens = true;  ///< the text of a special token is that token; if not, it is plain text
};

/// Byte-level BPE tokenizer (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners") as
/// Hugging Face's `tokenizer.json` describes it. Immutable; any number of threads may use one. Copies share
/// what they know, and views and stream decoders stay valid as long as one of them lives.
class tokenizer {
public:
    /// One that knows no token, for a model that came without: it refuses every text.
    /// @param source begins the message of errors
    explicit tokenizer(std::string source) : tokenizer(without_tokens(std::move(source))) {}

    /// @param text   of a `tokenizer.json`
    /// @param source names it in errors
    /// @throws error (malformed_file) when the text breaks the format, (unsupported) when it asks for a model,
    ///         a normalizer, a pre-tokenizer or a pattern that is not there
    [[nodiscard]] static tokenizer from_json(std::string_view text, std::string source) {
        return tokenizer(detail::tokenizer_file::read(text, std::move(source)));
    }
    /// @throws error as from_json, and (no_such_file) when the file cannot be read
    [[nodiscard]] static tokenizer from_file(const std::filesystem::path& path) {
        const mapped_file file(path);
        return from_json(file.text(), file.path());
    }

    /// Tokens of any bytes. Added tokens in the text are found as Hugging Face finds them; nothing is added at
    /// either end. Bytes that are not UTF-8 are encoded as they are.
    /// @throws error (unsupported) when the file's pattern costs too much on this text
    [[nodiscard]] std::vector<token_id> encode(std::string_view text, const encode_options& options = {}) const {
        std::vector<token_id> ids;
        if (text.empty()) return ids;
        if (data_->words.size() == 0) fail(errc::no_such_file, data_->source, ": there is no tokenizer to encode text");
        detail::split_runner words(data_->split);
        detail::word_merger merger(data_->merges, data_->byte_ids);
        const auto encode_word = [&](std::string_view word) {
            if (data_->ignore_merges) {
                if (const std::optional<token_id> whole = find(word)) return ids.push_back(*whole);
            }
            merger.append(word, ids);
        };
        data_->added.split(
            text, options.special_tokens, [&](token_id id) { ids.push_back(id); },
            [&](std::string_view between) { words.each_word(between, encode_word); });
        return ids;
    }

    /// The bytes of tokens, special ones included.
    /// @throws error (out_of_range) for an unknown id
    [[nodiscard]] std::string decode(std::span<const token_id> ids) const {
        std::string text;
        for (const token_id id : ids) text += piece(id);
        return text;
    }

    /// The bytes of one token.
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
    /// False for an unknown id.
    [[nodiscard]] bool is_special(token_id id) const noexcept { return data_->words.is_special(id); }
    /// One more than the highest id. Between them there may be ids without a token.
    [[nodiscard]] std::size_t size() const noexcept { return data_->words.size(); }
    /// Bytes of the longest piece.
    [[nodiscard]] std::size_t max_piece_size() const noexcept { return data_->words.max_piece_size(); }
    /// A decoder for tokens that come one by one.
    [[nodiscard]] stream_decoder stream() const {
        return stream_decoder(std::shared_ptr<const detail::vocabulary>(data_, &data_->words));
    }

private:
    explicit tokenizer(detail::tokenizer_data data)
        : data_(std::make_shared<const detail::tokenizer_data>(std::move(data))) {}

    static detail::tokenizer_data without_tokens(std::string source) {
        detail::tokenizer_data data;
        data.source = std::move(source);
        return data;
    }

    std::shared_ptr<const detail::tokenizer_data> data_;
};

}  // namespace io
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
