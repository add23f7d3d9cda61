// SPDX-License-Identifier: MIT
// What the other headers of io/ declare when the library is compiled.
#include <earlyout/io/detail/hugging_face_checkpoint_inl.hpp>
#include <earlyout/io/detail/hugging_face_text_inl.hpp>
#include <earlyout/io/detail/json_config_inl.hpp>
#include <earlyout/io/detail/load_inl.hpp>
#include <earlyout/io/detail/packed_checkpoint_inl.hpp>
#include <earlyout/io/detail/packed_inl.hpp>
#include <earlyout/io/detail/packed_writer_inl.hpp>
#include <earlyout/io/detail/safetensors_inl.hpp>
#include <earlyout/io/detail/safetensors_writer_inl.hpp>
#include <earlyout/io/detail/sidecar_inl.hpp>
#include <earlyout/io/detail/tokenizer_file_inl.hpp>
