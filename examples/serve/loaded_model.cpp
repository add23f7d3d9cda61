// SPDX-License-Identifier: MIT
#include "loaded_model.hpp"

#include <earlyout/core/error.hpp>

#include <utility>

namespace serve {

loaded_model::loaded_model(model_facts of, engine& on) : facts(std::move(of)), runs(&on) {
    if (facts.tokenizer == nullptr || facts.tokenizer->size() == 0) {
        eo::fail(eo::errc::invalid_argument, facts.name, ": expected a model with a tokenizer, found none");
    }
    if (facts.context == 0) {
        eo::fail(eo::errc::invalid_argument, facts.name, ": context: expected at least 1 token, found 0");
    }
    fim = fim_tokens::of(words());
    order = fim_order_of(facts.fim_order, words());
    if (facts.vocab == 0) facts.vocab = words().size();

    infill.pieces.resize(facts.vocab);
    infill.ends.resize(facts.vocab);
    for (std::size_t i = 0; i < facts.vocab; ++i) {
        const auto id = static_cast<eo::token_id>(i);
        if (words().has(id) && !words().is_special(id)) infill.pieces[i] = words().piece(id);
    }
    const auto add_end = [&](eo::token_id id) {
        if (id >= 0 && static_cast<std::size_t>(id) < facts.vocab) infill.ends[static_cast<std::size_t>(id)] = 1;
    };
    for (const eo::token_id id : facts.end_ids) add_end(id);
    if (!facts.end_ids.empty()) infill.end = facts.end_ids.front();
    if (fim.middle && fim.middle->end) {
        add_end(*fim.middle->end);
        infill.end = *fim.middle->end;
    }
}

}  // namespace serve
