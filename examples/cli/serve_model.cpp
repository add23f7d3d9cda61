// SPDX-License-Identifier: MIT
// The model that `earlyout serve` serves.
#include "serve.hpp"

#include "memory.hpp"
#include "model.hpp"
#include "policy.hpp"

#include <earlyout/core/error.hpp>
#include <earlyout/core/machine.hpp>
#include <earlyout/generate/prompt.hpp>
#include <earlyout/nn/kv_format.hpp>
#include <earlyout/nn/kv_pool.hpp>

#include <serve/engine_scheduler.hpp>
#include <serve/page.hpp>
#include <serve/run_server.hpp>
#include <serve/service.hpp>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace cli {

namespace {

/// Returns the bytes for keys and values where the options name none: for all slots and as much again for what has
/// ended, if half of the memory that is available suffices, but never less than one sequence takes.
std::size_t kv_memory_of(const serve_options& o, const model& m, std::size_t capacity) {
    const eo::model_shape& shape = m.network().shape();
    const std::size_t one = shape.layers * eo::kv_pool::pages_for(capacity) *
                            eo::kv_pool::page_bytes(shape, eo::any_kv_format(o.run.kv_dtype));
    if (o.kv_memory != 0) return o.kv_memory;
    const std::size_t wanted = 2 * o.slots * one;
    const auto available = eo::available_memory();
    return available ? std::max(one, std::min<std::size_t>(wanted, static_cast<std::size_t>(*available) / 2)) : wanted;
}

std::string name_of(const std::string& folder) {
    std::filesystem::path path(folder);
    if (!path.has_filename()) path = path.parent_path();
    return path.filename().string();
}

serve::model_facts facts_of(const serve_options& o, const model& m, std::size_t capacity, const std::string& policy) {
    const auto& network = m.network();
    const eo::model_shape& shape = network.shape();
    std::size_t bytes = network.output_bytes() + network.embedding_bytes();
    for (std::size_t layer = 1; layer <= shape.layers; ++layer) bytes += network.stored_bytes(layer);
    return {.name = name_of(o.model.folder),
            .tokenizer = &tokenizer_of(m, o.model.folder),
            .context = capacity,
            .training_context = shape.context,
            .vocab = shape.vocab,
            .d_model = shape.d_model,
            .layers = shape.layers,
            .parameters = 0,
            .parameter_bytes = bytes,
            .end_ids = m.generation().eos_token_ids,
            .add_bos = m.generation().add_bos,
            .bos_id = m.generation().bos_token_id,
            .chat_template = m.chat_template(),
            .policy = policy,
            .fim_order = o.fim_order};
}

/// The model and its engine, as long as the server answers.
struct loaded {
    std::optional<model> held;
    std::unique_ptr<serve::engine> engine;
};

void load_into(loaded& to, const serve_options& o, serve::service& service) {
    to.held.emplace(load(o.model, o.weights));
    const model& m = *to.held;
    const chosen_policy chosen = choose_policy(m, o.exits, o.drafts, o.run);
    require_memory_to_run(m, o.run);
    const std::size_t capacity = resolved_capacity(m, session_options_of(o.run));
    to.engine = serve::make_engine(m, {.slots = o.slots,
                                       .capacity = capacity,
                                       .threads = o.run.threads,
                                       .kv_memory = kv_memory_of(o, m, capacity),
                                       .kv = eo::any_kv_format(o.run.kv_dtype),
                                       .policy = chosen.policy,
                                       .sources = sources_of(m, o.drafts)});
    service.set_model(facts_of(o, m, capacity, to_string(chosen.policy)), *to.engine);
}

}  // namespace

void serve_model(const serve_options& o, const std::stop_token& stop) {
    // In this order: requests end before the engine, and the engine before its model.
    const auto held = std::make_shared<loaded>();
    serve::service service(
        {.api_keys = std::set<std::string>(o.api_keys.begin(), o.api_keys.end()), .page = std::string(serve::page())});
    if (!serve::run_server(
            o.http, service, [&, held] { load_into(*held, o, service); }, stop, o.deadline(), std::cerr)) {
        end_while_loading();
    }
    held->engine.reset();
}

}  // namespace cli
