// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GGUF_TEXT_HPP
#define EARLYOUT_IO_GGUF_TEXT_HPP

#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/model_text.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Reads the tokens that a GGUF file gives by its keys (`eos`, `eot`, `eom`, and `fim_pad`, `fim_rep`, `fim_sep`), and
/// those whose names mark the end of a text. Files that do not specify whether texts begin with `bos` have llama.cpp's
/// default: SentencePiece, Llama 3 and tokenizers that split like it do.
/// @throws error (malformed_file)
[[nodiscard]] generation_config read_generation_config(const gguf_checkpoint& from);

/// Reads the tokenizer inside a GGUF file.
/// @throws error as read_tokenizer and read_generation_config
[[nodiscard]] model_text read_text(const gguf_checkpoint& from);

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/gguf_text_inl.hpp>
#endif

#endif
