// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_TOKENIZER_DATA_HPP
#define EARLYOUT_IO_DETAIL_TOKENIZER_DATA_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/io/detail/tokenizer_added.hpp>
#include <earlyout/io/detail/tokenizer_merges.hpp>
#include <earlyout/io/detail/tokenizer_splitter.hpp>
#include <earlyout/io/detail/tokenizer_vocabulary.hpp>

#include <array>
#include <string>

namespace earlyout::inline EARLYOUT_ABI {
namespace io::detail {

/// All that a tokenizer knows.
struct tokenizer_data {
    std::string source;  ///< begins the message of every error
    vocabulary words;
    std::array<token_id, 256> byte_ids{};  ///< of the pieces that are one byte
    merge_table merges;
    bool ignore_merges = false;  ///< a word that is a piece is that token, whatever the merges say
    splitter split;
    added_tokens added;
};

}  // namespace io::detail
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
