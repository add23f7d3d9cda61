// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_TOKENIZER_PARTS_HPP
#define EARLYOUT_TEXT_TOKENIZER_PARTS_HPP

#include <earlyout/core/token.hpp>

#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text {

/// The input of `tokenizer::from_parts`, for a tokenizer that is not stored as a `tokenizer.json`. The names of a GGUF
/// file's keys are in brackets.
struct tokenizer_parts {
    enum class algorithm {
        byte_level,     ///< merges over bytes [model "gpt2"]
        sentence_piece  ///< merges over characters, bytes for those without a token [model "llama"]
    };
    enum class kind : unsigned char {
        normal,        ///< [1]
        unknown,       ///< [2] sentence_piece: replaces a character that has no token and no bytes; special
        control,       ///< [3] found in the text as spelled here, if special tokens are searched for; special
        user_defined,  ///< [4] found in the text as spelled here, always
        unused,        ///< [5] like normal
        byte           ///< [6] sentence_piece: spelled "<0x0A>", one byte
    };

    std::string source;  ///< prefix of every error message
    algorithm type = algorithm::byte_level;

    /// By id, UTF-8. byte_level: in GPT-2's spelling of bytes, as in "\u0120the"; sentence_piece: with U+2581 for a
    /// space; control and user-defined ones as they occur in the text [tokens].
    std::vector<std::string> pieces;
    std::vector<kind> kinds;  ///< by id; none: all normal [token_type, less one]

    std::vector<std::string> merges;  ///< "left right" of two pieces; the first has priority [merges]
    /// By id. sentence_piece without merges: two neighbours that are a piece together become that piece; the highest
    /// score first, of equal ones the leftmost. Pieces above 512 bytes are not made [scores].
    std::vector<float> scores;

    /// byte_level: regular expressions as in `tokenizer.json`; each splits the output of the previous one into its
    /// matches and the text between. None: GPT-2's, unless `whole_text`.
    std::vector<std::string> patterns;
    bool whole_text = false;     ///< byte_level: a text is one word
    bool ignore_merges = false;  ///< a word that is a piece is that token, regardless of the merges

    /// A space is put before each text that does not begin with one (byte_level), or before each text and after each
    /// control or user-defined token (sentence_piece); decoding omits sentence_piece's at the start of a text.
    bool add_space_prefix = false;
    bool normal_form_c = false;  ///< texts are converted to Unicode's normalization form C first

    std::vector<token_id> before;  ///< for `tokenizer::tokens_before`, such as bos
    std::vector<token_id> behind;  ///< for `tokenizer::tokens_behind`, such as eos
};

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#endif
