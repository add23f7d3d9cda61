// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_REQUESTS_HPP
#define EARLYOUT_EXAMPLES_SERVE_REQUESTS_HPP

#include <string>
#include <string_view>

#include "exchange.hpp"
#include "loaded_model.hpp"
#include "slot_table.hpp"

namespace serve {

// Each answers one kind of request, at once or when its completions end.
// Throws: api_error, or earlyout::error from the engine's checks and the tokenizer.

void answer_infill(const exchange& with, const model_pointer& model, slot_table& slots);
/// llama.cpp's /completion.
void answer_completion(const exchange& with, const model_pointer& model);
/// OpenAI's /v1/completions; with `suffix` a missing middle.
void answer_text_completion(const exchange& with, const model_pointer& model);
/// OpenAI's /v1/chat/completions.
void answer_chat(const exchange& with, const model_pointer& model);

void answer_tokenize(const exchange& with, const model_pointer& model);
void answer_detokenize(const exchange& with, const model_pointer& model);

void answer_properties(const exchange& with, const model_pointer& model);
void answer_slots(const exchange& with, const model_pointer& model);
void answer_models(const exchange& with, const model_pointer& model);
void answer_metrics(const exchange& with, const model_pointer& model);

/// Returns the metrics in Prometheus' text format: llama.cpp's names, for dashboards, and this server's own.
[[nodiscard]] std::string metrics_text(const engine_counts& counts);

}  // namespace serve

#endif
