// SPDX-License-Identifier: MIT
// `earlyout logits`: what the model predicts after a sequence of tokens, at any layer.
#include "commands.hpp"
#include "model.hpp"
#include "options.hpp"
#include "report.hpp"

#include <earlyout/core/executor.hpp>
#include <earlyout/generate/pending.hpp>
#include <earlyout/generate/sequence.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iostream>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

namespace cli {

namespace {

struct logits_options {
    model_options model;
    std::vector<eo::token_id> ids;
    weight_options weights;
    std::size_t exit_layer = 0;
    bool json = false;
};

/// Returns the logits after the last token, [vocab], through the model's own head: a sequence and a run_context are the
/// layer below a session, which neither draws tokens nor evaluates gates.
std::vector<float> compute(const logits_options& o, const model& m) {
    const auto& network = m.network();
    const eo::model_shape& shape = network.shape();
    const std::size_t layer = o.exit_layer == 0 ? shape.layers : o.exit_layer;
    if (layer > shape.layers) {
        eo::fail(eo::errc::out_of_range, "--exit-layer: expected 1 .. ", shape.layers, ", found ", layer);
    }
    if (o.ids.size() > shape.context) {
        eo::fail(eo::errc::out_of_range, "--ids: expected at most ", shape.context, " tokens, found ", o.ids.size());
    }
    constexpr std::size_t block = 128;
    eo::inline_executor executor;
    eo::run_context context(network, block, executor);
    eo::sequence tokens(shape, o.ids.size());
    for (const eo::token_id id : o.ids) {
        if (id < 0 || std::cmp_greater_equal(id, shape.vocab)) {
            eo::fail(eo::errc::out_of_range, "--ids: expected token ids 0 .. ", shape.vocab - 1, ", found ", id);
        }
        tokens.push(network, id);
    }
    (void)eo::run_pending(network, 1, layer, tokens, context);
    std::vector<float> logits(shape.vocab);
    network.logits({tokens.hidden_state(o.ids.size() - 1).data(), 1, shape.d_model}, {logits.data(), 1, shape.vocab},
                   context);
    const auto is_number = [](float logit) { return logit < std::numeric_limits<float>::infinity(); };
    if (!std::ranges::all_of(logits, is_number) || !std::isfinite(std::ranges::max(logits))) {
        eo::fail(eo::errc::wrong_value, m.source(), ": logits after layer ", layer, " at position ", o.ids.size() - 1,
                 ": expected numbers, found NaN, infinity or none that is finite");
    }
    return logits;
}

/// The most likely tokens, for people.
void print_best(const std::vector<float>& logits) {
    std::vector<std::size_t> order(logits.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const std::size_t shown = std::min<std::size_t>(10, order.size());
    const auto middle = order.begin() + static_cast<std::ptrdiff_t>(shown);
    std::ranges::partial_sort(order, middle, std::ranges::greater{}, [&](std::size_t id) { return logits[id]; });
    std::cout << "      id     logit\n" << std::fixed;
    for (const std::size_t id : std::vector(order.begin(), middle)) {
        std::cout.width(8);
        std::cout << id;
        std::cout.width(10);
        std::cout.precision(4);
        std::cout << logits[id] << '\n';
    }
}

int run(const logits_options& o) {
    const std::vector<float> logits = compute(o, load(o.model, o.weights));
    if (o.json) {
        print(std::cout, {{"logits", logits}});
    } else {
        print_best(logits);
    }
    return 0;
}

}  // namespace

command logits(CLI::App& app) {
    CLI::App* const sub = app.add_subcommand("logits", "Logits of the token that follows a sequence of ids");
    const auto o = std::make_shared<logits_options>();
    add_options(*sub, o->model);
    add_cache(*sub, o->model);
    add_ids(*sub, o->ids);
    add_options(*sub, o->weights);
    add_number(*sub, "--exit-layer", o->exit_layer, "Layers to run, from 1; default: all", 1);
    add_json(*sub, o->json);
    sub->footer(
        "Examples:\n"
        "  earlyout logits --ids 5,600,7\n"
        "  earlyout logits --ids 5,600,7 --exit-layer 4 --json");
    return {sub, [o] { return run(*o); }};
}

}  // namespace cli
