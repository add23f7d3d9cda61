// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_REFUSED_FIELDS_HPP
#define EARLYOUT_EXAMPLES_SERVE_REFUSED_FIELDS_HPP

#include "fields.hpp"

namespace serve {

/// Which API's fields a request has.
enum class api { llama_cpp, openai_completions, openai_chat };

/// Refuses, by name, each field that llama.cpp or OpenAI documents and that this server does not apply, unless its
/// value is one that changes nothing. Fields that nobody documents are ignored, as by llama.cpp.
/// @throws api_error (not_supported_error)
void refuse_unsupported(const fields& given, api kind);

}  // namespace serve

#endif
