// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_SAMPLERS_HPP
#define EARLYOUT_EXAMPLES_SERVE_SAMPLERS_HPP

#include <string>
#include <vector>

#include "fields.hpp"
#include "loaded_model.hpp"

namespace serve {

/// Reads the fields of sampling into options. Absent ones are as llama.cpp's server has them: temperature 0.8, top_k
/// 40, top_p 0.95, min_p 0.05, no penalty; seed 0, where llama.cpp draws one: the same request has the same answer.
/// @param samplers set to the names of the filters in their order
/// @throws api_error
void read_sampling(const fields& given, const loaded_model& model, eo::generate_options& options,
                   std::vector<std::string>& samplers);

/// Reads `logit_bias`: an object of ids or texts with numbers, or an array of pairs of them; false forbids a token.
/// Every token of a text has its bias.
/// @throws api_error
[[nodiscard]] std::vector<candidate> read_logit_bias(const fields& given, const loaded_model& model);

}  // namespace serve

#endif
