// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_MODELS_DETAIL_QWEN_WINDOW_HPP
#define EARLYOUT_MODELS_DETAIL_QWEN_WINDOW_HPP

#include <earlyout/models/detail/llama_layers.hpp>

#include <cstddef>
#include <string>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// Returns the positions visible to a layer of a Qwen model, 0: all. With `use_sliding_window` the layers that
/// `layer_types` names have the window; without that list, those above the first `max_window_layers`. Absent keys have
/// Hugging Face's defaults: a window of 4096, 28 layers without it.
/// @param layer numbered from 1
[[nodiscard]] inline std::size_t qwen_window(const checkpoint_reader& from, std::size_t layer) {
    if (!from.boolean("use_sliding_window", false)) return 0;
    const std::size_t window = from.optional_size("sliding_window", 4096).value_or(0);
    const std::string key = "layer_types." + std::to_string(layer - 1);
    if (from.text(key)) {
        return from.text(key, {"full_attention", "sliding_attention"}, "") == "sliding_attention" ? window : 0;
    }
    const std::int64_t full = from.integer("max_window_layers").value_or(28);
    return static_cast<std::int64_t>(layer) > full ? window : 0;
}

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
