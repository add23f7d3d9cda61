// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_MODEL_FACTS_HPP
#define EARLYOUT_EXAMPLES_SERVE_MODEL_FACTS_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace serve {

namespace eo = earlyout;

/// What the service knows of the model that an engine runs.
struct model_facts {
    std::string name;                                ///< of its file or folder, without the folders above
    const eo::text::tokenizer* tokenizer = nullptr;  ///< must outlive the service
    std::size_t context = 0;                         ///< max tokens of a prompt and its completion
    std::size_t training_context = 0;                ///< that the model was trained with; 0: as `context`
    std::size_t vocab = 0;
    std::size_t d_model = 0;
    std::size_t layers = 0;
    std::size_t parameters = 0;                ///< 0: not known
    std::size_t parameter_bytes = 0;           ///< of all weights, as they are stored in memory
    std::vector<eo::token_id> end_ids;         ///< generation_config::eos_token_ids
    bool add_bos = false;                      ///< generation_config::add_bos
    std::optional<eo::token_id> bos_id;        ///< generation_config::bos_token_id
    std::optional<std::string> chat_template;  ///< pretrained::chat_template()
    std::string policy;                        ///< text of the engine's exit policy
    std::string fim_order = "auto";            ///< fim_order_of() explains it
    std::size_t n_batch = 2048;  ///< sets how much of a prefix and a suffix is used, as llama.cpp's option does
};

}  // namespace serve

#endif
