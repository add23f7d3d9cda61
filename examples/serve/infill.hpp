// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_INFILL_HPP
#define EARLYOUT_EXAMPLES_SERVE_INFILL_HPP

#include <string>
#include <string_view>

#include "completion_run.hpp"
#include "fields.hpp"
#include "infill_prompt.hpp"
#include "settings.hpp"

namespace serve {

/// Returns how many tokens of a prompt a time suffices for.
[[nodiscard]] std::size_t affordable_tokens(const prompt_costs& costs, double seconds);

/// @throws api_error (501) for a model without fill-in-the-middle tokens, naming those it lacks
void require_middle(const loaded_model& model, std::string_view field);

/// Composes the prompt of a missing middle within the limits of a request.
/// @param typed text in front of the cursor on its line, and `suffix` the text behind, for the filter
[[nodiscard]] planned plan_middle(const loaded_model& model, const settings& wanted, infill_texts texts,
                                  std::string_view typed, std::string_view suffix);

}  // namespace serve

#endif
