// SPDX-License-Identifier: MIT
// What the headers of GGUF files in io/ declare when the library is compiled.
#include <earlyout/io/detail/gguf_checkpoint_inl.hpp>
#include <earlyout/io/detail/gguf_file_inl.hpp>
#include <earlyout/io/detail/gguf_metadata_inl.hpp>
#include <earlyout/io/detail/gguf_text_inl.hpp>
#include <earlyout/io/detail/gguf_tokenizer_inl.hpp>
