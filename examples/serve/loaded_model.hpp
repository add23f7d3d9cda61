// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_LOADED_MODEL_HPP
#define EARLYOUT_EXAMPLES_SERVE_LOADED_MODEL_HPP

#include <earlyout/generate/options.hpp>

#include <cstddef>
#include <memory>

#include "engine.hpp"
#include "fim_order.hpp"
#include "model_facts.hpp"

namespace serve {

/// A model with its engine, and what is derived from its tokenizer once. Immutable.
struct loaded_model {
    model_facts facts;
    engine* runs = nullptr;
    fim_tokens fim;
    fim_order order = fim_order::prefix_first;
    eo::infill_vocabulary infill;

    /// @throws earlyout::error for a model without tokenizer or context, or an unknown order
    loaded_model(model_facts of, engine& on);

    [[nodiscard]] const eo::text::tokenizer& words() const noexcept { return *facts.tokenizer; }
    /// Returns the batch that limits the texts of /infill: no larger than the context, as in llama.cpp.
    [[nodiscard]] std::size_t batch() const noexcept {
        return facts.n_batch < facts.context ? facts.n_batch : facts.context;
    }
};

using model_pointer = std::shared_ptr<const loaded_model>;

}  // namespace serve

#endif
