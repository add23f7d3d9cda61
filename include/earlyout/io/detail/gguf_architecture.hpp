// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_GGUF_ARCHITECTURE_HPP
#define EARLYOUT_IO_DETAIL_GGUF_ARCHITECTURE_HPP

#include <earlyout/core/config.hpp>

#include <span>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// A name in llama.cpp (gguf-py's constants.py) and the one at Hugging Face.
struct gguf_name {
    std::string_view gguf;
    std::string_view hugging_face;
};

/// An architecture of llama.cpp in the layout of Hugging Face. Keys follow "NAME.", tensors precede ".weight" or
/// ".bias", those of a layer follow "blk.N.".
struct gguf_architecture {
    std::string_view name;
    std::string_view layers;  ///< before a layer's number: "model.layers."
    std::span<const gguf_name> sizes;
    std::span<const gguf_name> reals;
    std::span<const gguf_name> tensors;
    std::span<const gguf_name> layer_tensors;
    bool windows = false;              ///< some layers may have a window
    bool turned = false;               ///< rows of queries and keys are in the order of llama.cpp's pairs
    std::string_view model_type = {};  ///< empty: as the name
    std::string_view bias_key = "attention_bias";
    bool experts = false;  ///< for files with an `expert_count`, of which none has another architecture
};

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
