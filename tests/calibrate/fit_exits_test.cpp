// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/fit_exits.hpp>

#include <earlyout/core/executor.hpp>
#include <earlyout/generate/make_session.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "calibrate/fitted_model.hpp"
#include "calibrate/memory_results.hpp"
#include "calibrate/thread_workers.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

calibrate::fit_options few() {
    calibrate::fit_options options;
    options.layers = {2, 4};
    options.gates = {"learn-to-exit", "sec", "mlp-router"};
    std::get<calibrate::mlp_router_fit>(options.fits).hidden = 4;
    options.thresholds.loss = 1.0;  // so that some threshold is always good enough
    options.thresholds.check_margins = {0.0f};
    options.thresholds.confidence = 0.0;
    options.thresholds.caches = {"propagate"};
    options.costs = {.session = {}, .seconds = 0.0, .position = 4, .max_block = 2};
    options.needs_skill = false;  // the weights are random
    options.samples = {.count = 6, .length = 24, .new_tokens = 4, .least_prompt = 8};
    return options;
}

}  // namespace

TEST_CASE("exits are fitted to texts, chosen against full depth, and stored by name", "[calibrate][fit_exits]") {
    support::fitted_model model;
    const auto texts = support::random_texts(40, 60);
    eo::inline_executor on;
    std::set<std::string> stages;
    const calibrate::monitor watch{{}, [&](std::string_view what, std::size_t done, std::size_t all) {
                                       stages.insert(std::string(what.substr(0, 7)));
                                       CHECK((all == 0 || done <= all));
                                   }};
    auto options = few();
    options.guarantee.eps = 0.9;
    options.guarantee.in_expectation = true;
    const auto made = calibrate::fit_exits(model, texts, options, support::fitted_to(), {}, on, watch);
    REQUIRE(made);
    CHECK(made->texts == 40);
    CHECK(made->fit.texts == 24);
    CHECK(made->validation.texts == 8);
    CHECK(made->fit.exits.layers == std::vector<std::size_t>{2, 4, 6});
    CHECK(made->fit.kept == made->fit.tokens - 24);  // the last token of a text predicts nothing
    REQUIRE(made->gates.size() == 3);
    REQUIRE(made->choices.size() == 4);  // and margin, whose threshold is chosen
    for (const calibrate::gate_choice& choice : made->choices) {
        INFO(choice.gate);
        CHECK(choice.tried.size() >= 3);
        if (choice.gate == "margin") {
            CHECK_FALSE(made->exits.policy(choice.gate));
            continue;
        }
        REQUIRE(made->exits.policy(choice.gate));
        const auto stored = fitted_policy(made->exits, choice.gate);
        if (choice.found) {
            CHECK(*stored == choice.chosen.policy);
            CHECK(choice.guarantee->samples == 8);
        }
        if (!choice.found) CHECK(stored->is_full_depth());
    }
    CHECK(made->exits.policy().has_value() == (made->best() != nullptr));
    // What other machines need to choose for themselves.
    REQUIRE(calibrate::read_costs(made->exits).size() == 1);
    CHECK(calibrate::read_costs(made->exits).front().costs.measured_on == eo::conditions_of(model));
    REQUIRE(calibrate::read_front(made->exits));
    CHECK(calibrate::read_front(made->exits)->policies == made->front);
    CHECK(stages.contains("reading"));
    CHECK(stages.contains("fitting"));
    CHECK(stages.contains("complet"));
    CHECK(stages.contains("measuri"));

    // A session of that name uses what was fitted.
    support::fitted_model user;
    eo::exit_weights exits("file");
    exits.set_model(made->exits.model());
    exits.set_layers({2, 4});
    for (const auto& [name, tensor] : made->exits.tensors()) exits.set(name, tensor.shape, tensor.values);
    user.set_exits(std::move(exits));
    auto session = make_session(user, eo::policy_spec::parse("mlp-router(0) @ 4"));
    const auto done = session.complete(texts[0].ids, {.max_new_tokens = 3});
    CHECK(done.exit_layers == std::vector<std::size_t>{6, 4, 4});
}

TEST_CASE("a fit that was interrupted goes on from what was kept, to the same exits", "[calibrate][fit_exits]") {
    const auto texts = support::random_texts(40, 60);
    auto options = few();
    options.heads = "adapter";
    options.head_fit = {.rank = 2, .epochs = 1, .batch = 64};
    options.thresholds.are_timed = false;
    options.thresholds.few_layers = false;
    eo::step_costs& costs = options.given_costs.emplace();
    costs.layer = {1.0, 1.0};
    costs.output = {1.0, 1.0};
    eo::inline_executor on;
    const auto fit = [&](const calibrate::monitor& watch) {
        support::fitted_model model;
        return calibrate::fit_exits(model, texts, options, support::fitted_to(), {}, on, watch);
    };
    const auto whole = fit({});
    REQUIRE(whole);

    support::memory_results kept;
    std::size_t runs = 0, size = 0;
    std::optional<calibrate::fit_result> made;
    for (; !made; ++runs) {
        REQUIRE(runs < 1000);
        // Each run is interrupted a few reports after it kept something new.
        std::stop_source stop;
        std::size_t reports = 0;
        made = fit({.cancel = stop.get_token(),
                    .progress =
                        [&](std::string_view, std::size_t, std::size_t) {
                            if (kept.size() > size && ++reports == 20) stop.request_stop();
                        },
                    .kept = &kept});
        CHECK(kept.size() > size);
        size = kept.size();
    }
    CHECK(runs > 5);
    CHECK(kept.found > kept.kept);
    REQUIRE(made->exits.tensors().size() == whole->exits.tensors().size());
    for (const auto& [name, tensor] : whole->exits.tensors()) {
        INFO(name);
        CHECK(made->exits.tensors().at(name).values == tensor.values);
    }
    REQUIRE(made->choices.size() == whole->choices.size());
    for (std::size_t i = 0; i < made->choices.size(); ++i) {
        CHECK(made->choices[i].chosen.policy == whole->choices[i].chosen.policy);
        CHECK(made->choices[i].tried.size() == whole->choices[i].tried.size());
    }
    CHECK(made->front == whole->front);

    // All of it is there: nothing is computed again.
    const std::size_t before = kept.kept;
    CHECK(fit({.kept = &kept}));
    CHECK(kept.kept == before);
}

TEST_CASE("the same texts give the same exits", "[calibrate][fit_exits]") {
    const auto texts = support::random_texts(20, 40);
    eo::inline_executor on;
    const auto fit = [&] {
        support::fitted_model model;
        auto options = few();
        options.gates = {"learn-to-exit"};
        return calibrate::fit_exits(model, texts, options, support::fitted_to(), {}, on);
    };
    const auto one = fit(), other = fit();
    REQUIRE((one && other));
    CHECK(one->exits.tensor("learn-to-exit.2.weight").values == other->exits.tensor("learn-to-exit.2.weight").values);
    CHECK(one->texts_hash == other->texts_hash);
    // So are the losses and the work of all that was tried; speeds are the machine's.
    REQUIRE(one->choices.size() == other->choices.size());
    for (std::size_t c = 0; c < one->choices.size(); ++c) {
        const auto &a = one->choices[c].tried, &b = other->choices[c].tried;
        REQUIRE(a.size() == b.size());
        for (std::size_t i = 0; i < a.size(); ++i) {
            CHECK(a[i].loss == b[i].loss);
            CHECK(a[i].work == b[i].work);
        }
    }
}

TEST_CASE("any number of processes fits the same exits, bit for bit", "[calibrate][fit_exits][workers]") {
    const auto texts = support::random_texts(40, 40);
    const auto fit = [&](calibrate::workers* among) {
        support::fitted_model model;
        auto options = few();
        options.gates = {"learn-to-exit", "agreement"};
        options.thresholds.are_timed = false;
        options.thresholds.caches = {"propagate", "defer"};
        options.guarantee.eps = 0.9;
        eo::step_costs costs;
        costs.layer = {1.0, 1.25};
        costs.output = {0.5, 0.75};
        options.given_costs = costs;
        eo::inline_executor on;
        const calibrate::monitor watch{.cancel = {}, .progress = {}, .among = among};
        auto made = calibrate::fit_exits(model, texts, options, support::fitted_to(), {}, on, watch);
        return std::move(made->exits);
    };
    const eo::exit_weights alone = fit(nullptr);
    CHECK(alone.find("agreement.4.weight") != nullptr);
    const auto expect_equal = [&](const eo::exit_weights& other) {
        REQUIRE(other.tensors().size() == alone.tensors().size());
        for (const auto& [name, tensor] : alone.tensors()) {
            INFO(name);
            REQUIRE(other.find(name) != nullptr);
            CHECK(other.find(name)->values == tensor.values);
        }
        CHECK(other.metadata() == alone.metadata());  // policies, costs and front
    };
    for (const std::size_t count : {1u, 2u, 5u}) {
        INFO(count);
        std::vector<eo::exit_weights> all(count);
        support::run_workers(count, [&](calibrate::workers& among) { all[among.rank()] = fit(&among); });
        for (const eo::exit_weights& one : all) expect_equal(one);
    }
}

TEST_CASE("a fit that is cancelled gives nothing", "[calibrate][fit_exits]") {
    const auto texts = support::random_texts(20, 40);
    eo::inline_executor on;
    for (const std::string stage : {"reading", "fitting", "complet"}) {
        support::fitted_model model;
        std::stop_source cancelled;
        const calibrate::monitor watch{cancelled.get_token(), [&](std::string_view what, std::size_t, std::size_t) {
                                           if (what.starts_with(stage)) cancelled.request_stop();
                                       }};
        INFO(stage);
        CHECK_FALSE(calibrate::fit_exits(model, texts, few(), support::fitted_to(), {}, on, watch));
    }
}

TEST_CASE("a fit refuses what it cannot do", "[calibrate][fit_exits]") {
    support::fitted_model model;
    eo::inline_executor on;
    const auto refused = [&](const calibrate::fit_options& options, std::size_t texts) {
        return support::error_of([&] {
            (void)calibrate::fit_exits(model, support::random_texts(texts, 40), options, support::fitted_to(), {}, on);
        });
    };
    CHECK(refused(few(), 3) == support::thrown(eo::errc::invalid_argument, {"texts:", "part validate", "3 texts"}));
    auto options = few();
    options.layers = {6};
    CHECK(refused(options, 20) == support::thrown(eo::errc::invalid_argument, {"exit layers", "1 .. 5"}));
    options = few();
    options.head_fit.rank = 21;
    CHECK(refused(options, 20) == support::thrown(eo::errc::invalid_argument, {"rank", "20", "21"}));
    options = few();
    options.samples.length = 50;
    options.samples.new_tokens = 45;
    CHECK(refused(options, 20) == support::thrown(eo::errc::invalid_argument, {"texts:", "at least 47"}));
    options = few();
    options.needs_skill = true;
    CHECK(refused(options, 20) ==
          support::thrown(eo::errc::wrong_value, {"the model predicts", "was trained on such"}));
}
