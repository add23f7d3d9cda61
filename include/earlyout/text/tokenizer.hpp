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
    explicit tokenizer(std::string source);

    /// @param text   of a `tokenizer.json`; io::load_tokenizer reads the file
    /// @param source names it in errors
    /// @throws error (malformed_file) when the text breaks the format, (unsupported) when it asks for a model,
    ///         a normalizer, a pre-tokenizer or a pattern that is not there
    [[nodiscard]] static tokenizer from_json(std::string_view text, const std::string& source);
    /// One that did not come as a `tokenizer.json`; `tokenizer_parts` says what the fields mean.
    /// @throws error (malformed_file, unsupported) naming `parts.source`
    [[nodiscard]] static tokenizer from_parts(tokenizer_parts parts);

    /// Tokens of any bytes. Added tokens in the text are found as Hugging Face finds them; nothing is added at
    /// either end unless asked for. Bytes that are not UTF-8 are encoded as they are, but for vocabularies over
    /// characters that lack a token for such a byte.
    /// @throws error (unsupported) when the file's pattern costs too much on this text
    [[nodiscard]] std::vector<token_id> encode(std::string_view text, const encode_options& options = {}) const;
    /// Tokens of a text of a user, in which nothing stands for a special token: as encode() without `special_tokens`.
    [[nodiscard]] std::vector<token_id> encode_plain(std::string_view text) const;
    /// What goes before a text, such as a beginning-of-text token: what the tokenizer's post-processor puts there, or
    /// what with_tokens_before() was given.
    [[nodiscard]] std::span<const token_id> tokens_before() const noexcept;
    /// And what it puts behind one.
    [[nodiscard]] std::span<const token_id> tokens_behind() const noexcept;

    /// The same tokenizer with other tokens before a text.
    /// @throws error (out_of_range) for one that it does not know
    [[nodiscard]] tokenizer with_tokens_before(std::vector<token_id> before) const;

    /// The bytes of tokens that begin a text, special ones included; without the space that encoding puts before
    /// every text, where it does. Bytes that make no character are there as they are.
    /// @throws error (out_of_range) for an unknown id
    [[nodiscard]] std::string decode(std::span<const token_id> ids) const;

    /// The bytes of one token within a text.
    /// @throws error (out_of_range) for an unknown id
    [[nodiscard]] std::string_view piece(token_id id) const;
    /// The token of exactly these bytes.
    [[nodiscard]] std::optional<token_id> find(std::string_view piece) const;
    /// Whether a token has this id.
    [[nodiscard]] bool has(token_id id) const noexcept;
    /// False for an unknown id.
    [[nodiscard]] bool is_special(token_id id) const noexcept;
    /// One more than the highest id. Between them there may be ids without a token.
    [[nodiscard]] std::size_t size() const noexcept;
    /// Bytes of the longest piece.
    [[nodiscard]] std::size_t max_piece_size() const noexcept;
    /// A decoder for tokens that come one by one and begin a text.
    [[nodiscard]] stream_decoder stream() const;
    /// One for tokens that go on from a text: their first space is shown.
    [[nodiscard]] stream_decoder continuation_stream() const;

private:
    explicit tokenizer(detail::tokenizer_data data);

    [[nodiscard]] std::shared_ptr<const detail::vocabulary> words() const;

    void append(std::string_view text, const encode_options& options, std::vector<token_id>& ids) const;

    static detail::tokenizer_data without_tokens(std::string source);

    std::shared_ptr<const detail::tokenizer_data> data_;
    std::shared_ptr<const std::vector<token_id>> before_;  // in place of the data's
};

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/text/detail/tokenizer_inl.hpp>
#endif

#endif
