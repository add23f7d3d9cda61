// SPDX-License-Identifier: MIT
#include <earlyout/generate/make_session.hpp>

#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/gates/combinators.hpp>

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
