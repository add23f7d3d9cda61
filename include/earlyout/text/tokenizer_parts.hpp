// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_TOKENIZER_PARTS_HPP
#define EARLYOUT_TEXT_TOKENIZER_PARTS_HPP

#include <earlyout/core/token.hpp>

#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text {

/// What `tokenizer::from_parts` makes a tokenizer of, when it does not come as a `tokenizer.json`. For a GGUF file the
/// names of its keys are in brackets.
struct tokenizer_parts {
    enum class algorithm {
        byte_level,     ///< merges over bytes [model "gpt2"]
        sentence_piece  ///< merges over characters, bytes for those without a token [model "llama"]
    };
    enum class kind : unsigned char {
        normal,        ///< [1]
        unknown,       ///< [2] sentence_piece: what stands for a character that has no token and no bytes; special
        control,       ///< [3] found in the text as it is written here, where special tokens are looked for; special
        user_defined,  ///< [4] found in the text as it is written here, always
        unused,        ///< [5] like normal
        byte           ///< [6] sentence_piece: written "<0x0A>", one byte
    };

    std::string source;  ///< begins the message of every error
    algorithm type = algorithm::byte_level;

    /// By id, UTF-8. byte_level: in GPT-2's spelling of bytes, as in "\u0120the"; sentence_piece: with U+2581 for a
    /// space; control and user-defined ones as they are in the text [tokens].
    std::vector<std::string> pieces;
    std::vector<kind> kinds;  ///< by id; none: all normal [token_type, less one]

    std::vector<std::string> merges;  ///< "left right" of two pieces; the first goes first [merges]
    /// By id. sentence_piece without merges: two neighbours that are a piece together become that piece; the highest
    /// score goes first, of equal ones the leftmost. Pieces above 512 bytes are not made [scores].
    std::vector<float> scores;

    /// byte_level: regular expressions as in `tokenizer.json`; each cuts what the one before it left into its matches
    /// and what lies between. None: GPT-2's, unless `whole_text`.
    std::vector<std::string> patterns;
    bool whole_text = false;     ///< byte_level: a text is one word
    bool ignore_merges = false;  ///< a word that is a piece is that token, whatever the merges say

    /// A space goes before each text that does not begin with one (byte_level), or before each text and behind each
    /// control or user-defined token (sentence_piece); decoding leaves sentence_piece's out at the start of a text.
    bool add_space_prefix = false;
    bool normal_form_c = false;  ///< texts are brought to Unicode's normalization form C first

    std::vector<token_id> before;  ///< for `tokenizer::tokens_before`, such as bos
    std::vector<token_id> behind;  ///< for `tokenizer::tokens_behind`, such as eos
};

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#endif
