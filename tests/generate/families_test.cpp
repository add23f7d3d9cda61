// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/generate/session.hpp>
#include <earlyout/models/any_model.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/forward_pass.hpp"
#include "support/golden.hpp"

namespace eo = earlyout;

namespace {

/// Arg-max after each layer, at each position of a text, with every token at full depth.
std::vector<std::vector<eo::token_id>> answers(const eo::any_model& model, const support::ids& text) {
    std::vector<std::vector<eo::token_id>> all(model.shape().layers + 1, support::ids(text.size()));
    support::forward_pass pass(model, text, 16);
    for (std::size_t layer = 1; layer <= model.shape().layers; ++layer) {
        pass.run(layer, layer, 0, text.size());
        for (std::size_t p = 0; p < text.size(); ++p) {
            const std::vector<float> logits = pass.logits(p);
            all[layer][p] = static_cast<eo::token_id>(std::ranges::max_element(logits) - logits.begin());
        }
    }
    return all;
}

}  // namespace

TEST_CASE("deferred exits are exact in every architecture", "[generate][families]") {
    std::mt19937 engine(1);
    for (const std::string& name : support::golden_families()) {
        INFO(name);
        const auto model =
            eo::any_model::from_checkpoint(eo::io::hugging_face_checkpoint(support::golden_folder(name)));
        const std::size_t layers = model.shape().layers, capacity = std::min<std::size_t>(40, model.shape().context);
        std::vector<std::size_t> exits;
        for (std::size_t layer = 1; layer < layers; ++layer) exits.push_back(layer);
        const support::ids prompt = support::random_prompt(engine, 12, model.shape().vocab);
        for (const eo::prefill order : {eo::prefill::eager, eo::prefill::lazy}) {
            eo::session session(model,
                                eo::exit_policy{eo::exit_plan{eo::exit_layers(exits), support::hash_gate{3, 40}},
                                                eo::shared_head{}, eo::defer{.prefill = order}},
                                {.capacity = capacity});
            const auto done = session.complete(prompt, {.max_new_tokens = capacity - prompt.size()});
            support::ids text = prompt;
            text.insert(text.end(), done.ids.begin(), done.ids.end());
            const auto expected = answers(model, text);
            std::size_t early = 0;
            for (std::size_t i = 0; i < done.ids.size(); ++i) {
                REQUIRE(done.ids[i] == expected[done.exit_layers[i]][prompt.size() - 1 + i]);
                early += done.exit_layers[i] < layers;
            }
            CHECK(early > 0);
            CHECK(early < done.ids.size());
        }
    }
}
