// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_HUGGING_FACE_TEXT_HPP
#define EARLYOUT_IO_HUGGING_FACE_TEXT_HPP

#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/model_text.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Reads `eos_token_id` and `bos_token_id` of `generation_config.json`, or else of `config.json`, and `add_bos_token`
/// of `tokenizer_config.json`. read_text() adds what needs the tokenizer.
/// @throws error (malformed_file)
[[nodiscard]] generation_config read_generation_config(const hugging_face_checkpoint& from);

/// Reads the tokenizer of a folder, `tokenizer.json` or else `vocab.json` with `merges.txt`, with the start and end
/// settings of `tokenizer_config.json`.
/// @throws error as load_tokenizer and read_generation_config, (no_such_file) for one of the two files without the
///         other, (unsupported) for a class of tokenizer that is not known to store its vocabulary so
[[nodiscard]] model_text read_text(const hugging_face_checkpoint& from);

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/hugging_face_text_inl.hpp>
#endif

#endif
