// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_ENGINE_SCHEDULER_HPP
#define EARLYOUT_EXAMPLES_SERVE_ENGINE_SCHEDULER_HPP

#include <earlyout/generate/drafts/catalogue.hpp>
#include <earlyout/generate/policy_spec.hpp>
#include <earlyout/io/pretrained.hpp>
#include <earlyout/models/any_model.hpp>
#include <earlyout/nn/kv_format.hpp>

#include <cstddef>
#include <memory>

#include "engine.hpp"

namespace serve {

/// A checkpoint of any architecture that the library has.
using model = eo::io::pretrained<eo::any_model>;

struct engine_options {
    std::size_t slots = 4;     ///< max completions that run at once
    std::size_t capacity = 0;  ///< max tokens of a prompt with its completion; 0: the model's context, at most 4096
    std::size_t threads = 1;
    std::size_t kv_memory = 0;  ///< max bytes of keys and values; 0: twice what `slots` of full length take
    eo::kv_format kv{};
    double max_stall = 0.1;       ///< seconds that a chunk of one prompt may delay the tokens of other completions
    eo::policy_spec policy{};     ///< of completions that name none
    eo::draft_sources sources{};  ///< what `suffix` drafts from, besides a sequence's own tokens
};

/// Makes an engine that runs completions in batches, on a thread of its own; see eo::scheduler.
/// @param of must outlive the engine
/// @throws earlyout::error for options that do not fit the model, or that exceed what the system has
[[nodiscard]] std::unique_ptr<engine> make_engine(const model& of, engine_options options);

}  // namespace serve

#endif
