// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_CHAT_TEMPLATE_HPP
#define EARLYOUT_EXAMPLES_SERVE_CHAT_TEMPLATE_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fields.hpp"
#include "loaded_model.hpp"
#include "prompt_ids.hpp"

namespace serve {

/// A family of chat templates, recognised by what its source contains. The source itself, a Jinja program, is not run.
enum class chat_family : std::uint8_t {
    chatml,          ///< <|im_start|>user\n...<|im_end|>\n
    llama3,          ///< <|start_header_id|>user<|end_header_id|>\n\n...<|eot_id|>
    mistral_v1,      ///< " [INST] ... [/INST] ...</s>"
    mistral_v3,      ///< "[INST] ... [/INST] ...</s>"
    mistral_tekken,  ///< "[INST]...[/INST]...</s>"
    gemma,           ///< <start_of_turn>user\n...<end_of_turn>\n
    phi3             ///< <|user|>\n...<|end|>\n
};

/// @throws api_error (501) for a model without a template, or with one of no known family, naming its beginning
[[nodiscard]] chat_family chat_family_of(const model_facts& model);

struct chat_message {
    std::string role;  ///< "system", "user" or "assistant"
    std::string content;
};

/// Reads `messages`. Contents are strings or arrays of {"type": "text", "text"}; "developer" is "system".
/// @throws api_error
[[nodiscard]] std::vector<chat_message> read_messages(const fields& given);

/// A chat as a prompt.
struct chat_prompt {
    token_ids ids;
    token_ids ends;  ///< tokens that end a turn
};

/// Returns the prompt to which the model's answer is the next turn; a last message of the assistant is continued.
/// Contents are text: control tokens spelled in them have no effect.
/// @throws api_error for a model that lacks the template's tokens
[[nodiscard]] chat_prompt render_chat(const loaded_model& model, std::vector<chat_message> messages);

}  // namespace serve

#endif
