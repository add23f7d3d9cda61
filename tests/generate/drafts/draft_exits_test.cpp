// SPDX-License-Identifier: MIT
#include <earlyout/generate/drafts/draft_exits.hpp>

#include <earlyout/exit/gates/always.hpp>
#include <earlyout/generate/session.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <random>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

struct exit_log {
    std::vector<eo::draft_exits::prediction> predicted;
    std::vector<std::vector<eo::token_id>> before;  ///< the tokens when each was
    std::size_t refused = 0;
};

/// Drafts a number of tokens at exits, whatever is planned, and keeps what it was told there.
struct logged_exit_drafts {
    static constexpr bool uses_exits = true;
    std::size_t wanted = 3;
    std::shared_ptr<exit_log> log = std::make_shared<exit_log>();

    void propose(std::span<const eo::token_id> ids, eo::draft_context& context, eo::draft& out) const {
        std::vector<eo::token_id> before(ids.begin(), ids.end());
        while (out.size() < wanted && !out.is_full()) {
            const auto made = context.exits().predict();
            if (!made) {
                ++log->refused;
                return;
            }
            log->predicted.push_back(*made);
            log->before.push_back(before);
            before.push_back(made->token);
            out.push(made->token, made->probability);
            out.set_layers(made->layer);
        }
    }
};

template <class Gate>
auto exits_after(int layer, Gate gate) {
    return eo::exit_policy{eo::exit_plan{eo::exit_layers({layer}), gate}};
}

const support::ids exit_prompt{3, 1, 4, 1, 5, 9, 2, 6};

}  // namespace

TEST_CASE("an exit predicts what the model's state after that layer says", "[generate][draft_exits]") {
    for (const int layer : {2, 5}) {
        const logged_exit_drafts d;
        eo::session s{support::small_network(), exits_after(layer, eo::always_exit{}), d};
        (void)s.complete(exit_prompt, {.max_new_tokens = 12});
        REQUIRE(d.log->predicted.size() > 6);
        for (std::size_t i = 0; i < d.log->predicted.size(); ++i) {
            const std::vector<eo::token_id>& before = d.log->before[i];
            support::full_run full(support::small_network(), before);
            const std::vector<float> logits = full.logits(static_cast<std::size_t>(layer), before.size() - 1);
            const auto best = std::ranges::max_element(logits) - logits.begin();
            double sum = 0.0;
            for (const float x : logits)
                sum += std::exp(static_cast<double>(x - logits[static_cast<std::size_t>(best)]));
            CHECK(d.log->predicted[i].token == best);
            CHECK(d.log->predicted[i].layer == static_cast<std::size_t>(layer));
            CHECK_THAT(d.log->predicted[i].probability, Catch::Matchers::WithinAbs(1.0 / sum, 1e-4));
        }
    }
}

TEST_CASE("layers that ran to draft do not run again to verify", "[generate][draft_exits]") {
    const logged_exit_drafts d{.wanted = 4};
    eo::session s{support::small_network(), exits_after(3, eo::always_exit{}), d};
    const eo::completion made = s.complete(exit_prompt, {.max_new_tokens = 25});
    const std::size_t steps = made.ids.size() - 1 - made.stats.accepted;
    CHECK(made.stats.drafted > 20);
    // Each step runs its last token and all drafted ones through every layer, once.
    CHECK(made.stats.decode.layer_tokens == 6 * (steps + made.stats.drafted));
}

TEST_CASE("an exit where no token exits predicts nothing", "[generate][draft_exits]") {
    for (const eo::decision decided : {eo::decision::go_on, eo::decision::stop}) {
        const auto gate = eo::make_gate<eo::signal::argmax>([decided](const auto&) { return decided; });
        const logged_exit_drafts d;
        eo::session s{support::small_network(), exits_after(3, gate), d};
        eo::session plain{support::small_network()};
        const eo::completion made = s.complete(exit_prompt, {.max_new_tokens = 10});
        CHECK(support::same_output(made, plain.complete(exit_prompt, {.max_new_tokens = 10})));
        CHECK(d.log->predicted.empty());
        CHECK(d.log->refused > 0);
        CHECK(made.stats.drafted == 0);
    }
    const logged_exit_drafts d;  // no exits at all
    eo::session s{support::small_network(), eo::full_depth(), d};
    CHECK(s.complete(exit_prompt, {.max_new_tokens = 10}).stats.drafted == 0);
    CHECK(d.log->refused > 0);
}

TEST_CASE("an exit predicts nothing when no position is left", "[generate][draft_exits]") {
    const logged_exit_drafts d{.wanted = 15};
    eo::session s{support::small_network(), exits_after(3, eo::always_exit{}), d, eo::session_options{.capacity = 12}};
    eo::session plain{support::small_network(), eo::full_depth(), eo::session_options{.capacity = 12}};
    CHECK(support::same_output(s.complete(exit_prompt, {.max_new_tokens = 40}),
                               plain.complete(exit_prompt, {.max_new_tokens = 40})));
    for (const std::vector<eo::token_id>& before : d.log->before) CHECK(before.size() < 12);
}

TEST_CASE("an exit samples with the random number of the model's own draw", "[generate][draft_exits]") {
    const eo::generate_options options{.max_new_tokens = 30, .temperature = 1.0f, .seed = 3};
    const logged_exit_drafts d;
    eo::session s{support::small_network(), exits_after(5, eo::always_exit{}), d};
    const eo::completion made = s.complete(exit_prompt, options);
    eo::session plain{support::small_network()};
    CHECK(support::same_output(made, plain.complete(exit_prompt, options)));
    CHECK(made.stats.accepted > 0);
    eo::sampler sample(97);
    for (std::size_t i = 0; i < d.log->predicted.size(); ++i) {
        const std::vector<eo::token_id>& before = d.log->before[i];
        const std::vector<float> logits =
            support::full_run(support::small_network(), before).logits(5, before.size() - 1);
        CHECK(d.log->predicted[i].token == sample(logits, before, options, before.size() - exit_prompt.size()));
    }
}
