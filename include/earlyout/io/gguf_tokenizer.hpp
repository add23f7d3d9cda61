// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GGUF_TOKENIZER_HPP
#define EARLYOUT_IO_GGUF_TOKENIZER_HPP

#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/gguf_file.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <optional>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Reads the tokenizer inside a GGUF file, if there is one: byte-level BPE (`gpt2`) or SentencePiece (`llama`).
/// @throws error (malformed_file), (unsupported) for another kind or another pattern (`tokenizer.ggml.pre`)
[[nodiscard]] std::optional<text::tokenizer> read_tokenizer(const gguf& from, const generation_config& generation);

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/gguf_tokenizer_inl.hpp>
#endif

#endif
