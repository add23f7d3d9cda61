// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_SETTINGS_HPP
#define EARLYOUT_EXAMPLES_SERVE_SETTINGS_HPP

#include <earlyout/generate/options.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine.hpp"
#include "fields.hpp"
#include "loaded_model.hpp"
#include "refused_fields.hpp"

namespace serve {

/// What a request asks of its completions, beside the prompt.
struct settings {
    eo::generate_options options;       ///< sampling and stop strings; without the number of tokens
    std::int64_t n_predict = -1;        ///< negative: until the context is full
    std::vector<std::string> samplers;  ///< in their order
    std::vector<candidate> logit_bias;
    std::size_t n_probs = 0;          ///< candidates to show for each token
    bool show_probabilities = false;  ///< also with n_probs 0, in OpenAI's shapes
    bool ignore_eos = false;
    bool stream = false;
    bool include_usage = false;  ///< a last event of a stream of OpenAI's shape
    bool return_tokens = false;
    bool cache_prompt = true;
    std::optional<std::int64_t> slot;  ///< as given; one beyond the slots counts from 0 again
    std::size_t choices = 1;           ///< completions of each prompt
    std::size_t n_indent = 0;
    double max_predict_seconds = 0.0;  ///< from the first token, once a line is complete; 0: no limit
    double max_prompt_seconds = 0.0;   ///< 0: no limit, which a request without new tokens never has
    std::string policy;                ///< empty: the engine's
    std::string drafts;                ///< empty: the engine's
    std::string model;                 ///< as the request calls it
    std::optional<std::vector<std::string>> response_fields;
};

/// Reads and checks all fields that a completion has in an API.
/// @throws api_error naming the first wrong field
[[nodiscard]] settings read_settings(const fields& given, api kind, const loaded_model& model);

/// Returns the settings as replies show them.
[[nodiscard]] json to_json(const settings& wanted, std::size_t context);

}  // namespace serve

#endif
