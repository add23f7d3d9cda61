// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_TOKENIZER_HPP
#define EARLYOUT_TEXT_TOKENIZER_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/text/stream_decoder.hpp>
#include <earlyout/text/tokenizer_parts.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text {
namespace detail {
struct tokenizer_data;
class vocabulary;
}  // namespace detail

/// Options of `tokenizer::encode`.
struct encode_options {
    bool special_tokens = true;       ///< a special token's spelling is that token; if false, it is text like any other
    bool add_special_tokens = false;  ///< with tokens_before() and tokens_behind() around the text
    bool continues = false;           ///< the text is a continuation: no space is put before it
};

/// BPE tokenizer: byte-level (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"), or over
/// characters with bytes for those that have no token (Kudo and Richardson 2018, "SentencePiece"), as specified by
/// Hugging Face's `tokenizer.json` or by parts. Immutable; any number of threads may use one. Copies share their data,
/// and views and stream decoders stay valid as long as one of them exists.
class tokenizer {
public:
    /// Makes an empty tokenizer, for a model without one: it refuses every text.
    /// @param source prefix of error messages
    explicit tokenizer(std::string source);

    /// @param text   contents of a `tokenizer.json`; io::load_tokenizer reads the file
    /// @param source names it in errors
    /// @throws error (malformed_file) when the text breaks the format, (unsupported) when it requires an unsupported
    ///         model, normalizer, pre-tokenizer or pattern
    [[nodiscard]] static tokenizer from_json(std::string_view text, const std::string& source);
    /// Makes a tokenizer from other sources than a `tokenizer.json`; `tokenizer_parts` explains the fields.
    /// @throws error (malformed_file, unsupported) naming `parts.source`
    [[nodiscard]] static tokenizer from_parts(tokenizer_parts parts);

    /// Returns the tokens of any bytes. Added tokens in the text are found as Hugging Face finds them; nothing is added
    /// at either end unless requested. Bytes that are not UTF-8 are encoded unchanged, except for vocabularies over
    /// characters that lack a token for such a byte.
    /// @throws error (unsupported) when the file's pattern takes too many steps on this text
    [[nodiscard]] std::vector<token_id> encode(std::string_view text, const encode_options& options = {}) const;
    /// Returns the tokens of a user's text, in which nothing is a special token: as encode() without `special_tokens`.
    [[nodiscard]] std::vector<token_id> encode_plain(std::string_view text) const;
    /// Returns the tokens that precede a text, such as a beginning-of-text token: those of the tokenizer's
    /// post-processor, or those given to with_tokens_before().
    [[nodiscard]] std::span<const token_id> tokens_before() const noexcept;
    /// Returns the tokens that follow a text.
    [[nodiscard]] std::span<const token_id> tokens_behind() const noexcept;

    /// Returns the same tokenizer with other tokens before a text.
    /// @throws error (out_of_range) for an unknown token
    [[nodiscard]] tokenizer with_tokens_before(std::vector<token_id> before) const;

    /// Returns the bytes of tokens that begin a text, special ones included; without the space that encoding puts
    /// before every text, if it does. Bytes that form no character are unchanged.
    /// @throws error (out_of_range) for an unknown id
    [[nodiscard]] std::string decode(std::span<const token_id> ids) const;

    /// Returns the bytes of one token within a text.
    /// @throws error (out_of_range) for an unknown id
    [[nodiscard]] std::string_view piece(token_id id) const;
    /// Returns the token of exactly these bytes.
    [[nodiscard]] std::optional<token_id> find(std::string_view piece) const;
    /// Returns whether a token has this id.
    [[nodiscard]] bool has(token_id id) const noexcept;
    /// Returns whether a token is special; false for an unknown id.
    [[nodiscard]] bool is_special(token_id id) const noexcept;
    /// Returns one more than the highest id. Some ids below may have no token.
    [[nodiscard]] std::size_t size() const noexcept;
    /// Returns the bytes of the longest piece.
    [[nodiscard]] std::size_t max_piece_size() const noexcept;
    /// Returns a decoder for tokens that arrive one by one and begin a text.
    [[nodiscard]] stream_decoder stream() const;
    /// Returns a decoder for tokens that continue a text: their first space is shown.
    [[nodiscard]] stream_decoder continuation_stream() const;

private:
    explicit tokenizer(detail::tokenizer_data data);

    [[nodiscard]] std::shared_ptr<const detail::vocabulary> words() const;

    void append(std::string_view text, const encode_options& options, std::vector<token_id>& ids) const;

    static detail::tokenizer_data without_tokens(std::string source);

    std::shared_ptr<const detail::tokenizer_data> data_;
    std::shared_ptr<const std::vector<token_id>> before_;  // replaces the data's
};

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/text/detail/tokenizer_inl.hpp>
#endif

#endif
