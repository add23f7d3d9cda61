// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_MEMORY_HPP
#define EARLYOUT_EXAMPLES_CLI_MEMORY_HPP

#include "model.hpp"
#include "options.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>

namespace cli {

/// What a loaded model and a session of it take, in bytes.
struct memory_need {
    double weights = 0.0;  ///< those of a packed file that is used in place included
    double kv_cache = 0.0;
    double scratch = 0.0;
    std::size_t capacity = 0;  ///< tokens that the KV cache is for

    [[nodiscard]] double total() const noexcept { return weights + kv_cache + scratch; }
};
/// @throws earlyout::error for a capacity beyond the model's context
[[nodiscard]] memory_need memory_of(const model& m, const run_options& run);
[[nodiscard]] nlohmann::ordered_json to_json(const memory_need& need);
/// "12.4 MB: weights 6.5, KV cache 5.2 (512 tokens), scratch 0.7"
[[nodiscard]] std::string to_string(const memory_need& need);

/// Refuses weights that do not fit, before they are loaded.
/// @throws earlyout::error (out_of_memory)
void require_memory_to_load(const model_options& from, const weight_formats& formats);
/// Refuses a session that does not fit, before it is made.
/// @throws earlyout::error (out_of_memory)
void require_memory_to_run(const model& m, const run_options& run);

}  // namespace cli

#endif
