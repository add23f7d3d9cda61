// SPDX-License-Identifier: MIT
#include <earlyout/generate/make_session.hpp>

#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/gates/combinators.hpp>

#include <memory>
#include <string>
#include <vector>

#include "calibrate/fitted_model.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;

namespace {

eo::policy_spec parsed(const char* text) { return eo::policy_spec::parse(text); }

eo::exit_weights some_exits() {
    eo::exit_weights exits("file");
    exits.set_model(fitted_to()).set_layers({2, 4});
    exits.set("learn-to-exit.2.weight", {1, 20}, std::vector<float>(20, 0.1f));
    exits.set("adapter.2.down.weight", {1, 20}, std::vector<float>(20, 0.1f));
    exits.set("adapter.2.up.weight", {20, 1}, std::vector<float>(20, 0.1f));
    exits.set_policy("learn-to-exit", "learn-to-exit(1) & margin(0.05) @ 2; cache=defer");
    exits.set_policy({}, "learn-to-exit(1) & margin(0.05) @ 2; cache=defer");
    return exits;
}

}  // namespace

TEST_CASE("a session made from text behaves as one made from types", "[generate][make_session]") {
    const ids prompt{5, 17, 3, 90, 2};
    const eo::generate_options options{.max_new_tokens = 20};
    const auto same = [&](const char* text, auto made) {
        INFO(text);
        auto by_text = eo::make_session(small_network(), parsed(text));
        eo::session by_type{small_network(), std::move(made)};
        const auto a = by_text.complete(prompt, options), b = by_type.complete(prompt, options);
        CHECK(a.ids == b.ids);
        CHECK(a.exit_layers == b.exit_layers);
        CHECK(a.log_probabilities == b.log_probabilities);
        CHECK(a.stats.decode.layer_tokens == b.stats.decode.layer_tokens);
        CHECK(a.stats.head_evaluations == b.stats.head_evaluations);
        CHECK(a.stats.shortlist_evaluations == b.stats.shortlist_evaluations);
    };
    const eo::exit_layers layers{1, 3, 5};
    same("full-depth", eo::full_depth());
    same("margin(0.02) @ 1,3,5", eo::exit_policy{eo::exit_plan{layers, eo::margin{0.02f}}, eo::shared_head{}});
    same("margin(0.02) @ 1,3,5; cache=defer(cap=3)",
         eo::exit_policy{eo::exit_plan{layers, eo::margin{0.02f}}, eo::shared_head{}, eo::defer{.cap = 3}});
    same("saturation(0.2) & margin(0.01) @ 1,3,5",
         eo::exit_policy{eo::exit_plan{layers, eo::and_then(eo::saturation{0.2f}, eo::margin{0.01f})},
                         eo::shared_head{}});
    same("token-budget(6, then=exit) | margin(0.02) @ 1,3,5",
         eo::exit_policy{
             eo::exit_plan{layers, eo::any_of(eo::token_budget{6, eo::over_budget::exit}, eo::margin{0.02f})},
             eo::shared_head{}});
    same("margin(0.03) @ 1,3,5; head=shortlist(16)",
         eo::exit_policy{eo::exit_plan{layers, eo::margin{0.03f}}, eo::shortlist<>(16)});
    same("kl-divergence(0.2) @ 1,3,5",
         eo::exit_policy{eo::exit_plan{layers, eo::kl_divergence{0.2f}}, eo::shared_head{}});
}

TEST_CASE("drafters of a policy's text draft, and change nothing", "[generate][make_session]") {
    const ids prompt{5, 17, 3, 90, 2};
    const eo::generate_options options{.max_new_tokens = 40};
    const eo::session_options free{.drafts = {.block_costs = {1.0}}};
    eo::session plain{small_network()};
    const eo::completion expected = plain.complete(prompt, options);
    for (const char* text : {"full-depth; draft=auto", "full-depth; draft=suffix", "full-depth; draft=hashed(1)",
                             "full-depth; draft=recycled", "margin(0.01) @ 1,3; draft=depth; cache=omit",
                             "margin(0.01) @ 2; head=shortlist(16); draft=suffix|hashed(2)|recycled|depth"}) {
        INFO(text);
        auto s = eo::make_session(small_network(), parsed(text), free);
        const eo::completion made = s.complete(prompt, options);
        CHECK(same_output(made, expected));
        CHECK(made.stats.drafted > 0);
    }
    auto none = eo::make_session(small_network(), parsed("full-depth; draft=none"), free);
    CHECK(none.complete(prompt, options).stats.drafted == 0);

    // With the text in a store, the first draft is the whole completion.
    const auto store = std::make_shared<eo::suffix_store>(eo::suffix_store_options{.vocab = 97});
    ids text = prompt;
    text.insert(text.end(), expected.ids.begin(), expected.ids.end());
    store->add(text);
    auto known = eo::make_session(small_network(), parsed("full-depth; draft=suffix"), free, eo::draft_sources{store});
    const eo::completion made = known.complete(prompt, options);
    CHECK(same_output(made, expected));
    CHECK(made.stats.tokens_per_step() > 8.0);
}

TEST_CASE("drafters are chosen to suit the model and the policy", "[generate][make_session]") {
    support::fitted_model model;
    CHECK(to_string(resolve(parsed("full-depth; draft=auto"), model)) == "full-depth; head=shared; draft=suffix");
    CHECK(to_string(resolve(parsed("full-depth; draft=hashed"), model)) == "full-depth; head=shared; draft=hashed(3)");
    CHECK(to_string(resolve(parsed("margin(0.5) @ 2; draft=auto"), model)) == "margin(0.5) @ 2; head=shared");
    CHECK(to_string(resolve(parsed("full-depth; draft=depth"), model)) ==
          "margin(0.3) @ 1; head=shortlist(256, head=shared); draft=depth");
    CHECK(error_of([&] { (void)resolve(parsed("margin @ 2; draft=suffix"), model); }) ==
          thrown(eo::errc::invalid_argument, {"draft=suffix", "expected depth among the drafters", "found suffix"}));
    model.set_exits(some_exits());
    CHECK(to_string(resolve(parsed("full-depth; draft=auto"), model)) ==
          "margin(0.3) @ 1; head=shortlist(256, head=adapter); draft=suffix|depth");
    CHECK(to_string(resolve(parsed("fitted; draft=depth"), model)) ==
          "learn-to-exit(1) & margin(0.05) @ 2; head=adapter; cache=defer; draft=depth");
    const auto again = resolve(parsed("full-depth; draft=auto"), model);
    CHECK(resolve(again, model) == again);
}

TEST_CASE("a policy's defaults are filled in", "[generate][make_session]") {
    support::fitted_model model;
    CHECK(to_string(resolve(parsed("margin"), model)) == "margin(0.9) @ 1,3,4; head=shared");
    CHECK(to_string(resolve(parsed("fixed @ 3,5"), model)) == "fixed @ 3; head=shared");
    for (const char* fitted : {"fitted", "learn-to-exit", "learn-to-exit(0.5)"}) {
        CHECK(error_of([&] { (void)resolve(parsed(fitted), model); }).code == "no_such_file");
    }
    CHECK(error_of([&] { (void)resolve(parsed("sec"), small_network()); }) ==
          thrown(eo::errc::unsupported, {"fitted exits"}));

    model.set_exits(some_exits());
    CHECK(to_string(resolve(parsed("fitted"), model)) ==
          "learn-to-exit(1) & margin(0.05) @ 2; head=adapter; cache=defer");
    CHECK(to_string(resolve(parsed("learn-to-exit; cache=omit"), model)) ==
          "learn-to-exit(1) & margin(0.05) @ 2; head=adapter; cache=omit");
    CHECK(to_string(resolve(parsed("learn-to-exit @ 4"), model)) ==
          "learn-to-exit(1) & margin(0.05) @ 4; head=adapter");
    CHECK(to_string(resolve(parsed("learn-to-exit(0.5)"), model)) == "learn-to-exit(0.5) @ 2,4; head=adapter");
    CHECK(to_string(resolve(parsed("margin; head=shared"), model)) == "margin(0.9) @ 1,3,4; head=shared");
    CHECK(error_of([&] { (void)resolve(parsed("margin @ 7"), model); }) ==
          thrown(eo::errc::out_of_range, {"1 .. 6", "7"}));
    const auto again = resolve(parsed("fitted"), model);
    CHECK(resolve(again, model) == again);

    eo::exit_weights broken = some_exits();
    broken.set_policy({}, "margn");
    model.set_exits(std::move(broken));
    CHECK(error_of([&] { (void)resolve(parsed("fitted"), model); }) ==
          thrown(eo::errc::malformed_file, {"file", "'policy'", "margn"}));
}
