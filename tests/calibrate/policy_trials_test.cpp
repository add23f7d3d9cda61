// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/bytes.hpp>
#include <earlyout/calibrate/detail/kept_prompts.hpp>
#include <earlyout/calibrate/policy_trials.hpp>

#include <earlyout/core/executor.hpp>
#include <earlyout/core/thread_pool.hpp>

#include <stop_token>
#include <vector>

#include "calibrate/fitted_model.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

std::vector<calibrate::sample> some_samples() {
    return calibrate::cut_samples(support::random_texts(12, 40),
                                  {.count = 9, .length = 24, .new_tokens = 4, .least_prompt = 8});
}

/// A layer takes as long as the output, and keys and values of a skipped layer nothing.
eo::step_costs unit_costs() {
    eo::step_costs costs;
    costs.layer = {1.0, 1.0};
    costs.output = {1.0, 1.0};
    return costs;
}

/// What trials refer to.
struct trial_data {
    const support::fitted_model model{};
    const eo::any_head head{};
    const std::vector<calibrate::sample> samples = some_samples();
    const eo::step_costs costs = unit_costs();
    const calibrate::monitor watch{};
    eo::inline_executor on{};

    calibrate::policy_trials<support::fitted_model> trials(eo::executor& with,
                                                           std::size_t prompt_memory = 1 << 20) const {
        return {model, &head, costs, samples, 0.95, with, watch, prompt_memory};
    }
};

}  // namespace

TEST_CASE("a policy's speed is what its work costs, whatever the threads", "[calibrate][policy_trials]") {
    trial_data data;
    eo::thread_pool several(3);
    auto trials = data.trials(data.on);
    auto shared = data.trials(several);
    for (const char* text : {"fixed @ 2", "margin(0.02) @ 2,4; cache=defer", "margin(0.5) @ 1-5; cache=omit"}) {
        INFO(text);
        const auto policy = eo::policy_spec::parse(text);
        const calibrate::measured_policy a = trials.predict(policy), b = shared.predict(policy);
        CHECK(a.speedup == b.speedup);
        CHECK(a.loss == b.loss);
        CHECK(a.agreement == b.agreement);
        CHECK(a.work == b.work);
        CHECK(a.intervals.rouge_l_loss.high == b.intervals.rouge_l_loss.high);
        CHECK(a.intervals.decode_speedup.low == b.intervals.decode_speedup.low);
        CHECK_FALSE(a.is_timed);
        CHECK(a.work.tokens == 27.0);
    }
    // Two layers of six and the output, in place of seven.
    CHECK(trials.predict(eo::policy_spec::parse("fixed @ 2")).speedup == Approx(7.0 / 3.0));

    // What is timed differs in its speed alone.
    const auto policy = eo::policy_spec::parse("fixed @ 2");
    const calibrate::measured_policy timed = trials.time(policy), priced = trials.predict(policy);
    CHECK(timed.is_timed);
    CHECK(timed.loss == priced.loss);
    CHECK(timed.layers_skipped == priced.layers_skipped);
    CHECK(timed.agreement == priced.agreement);
    CHECK(timed.work == priced.work);
    CHECK(timed.speedup > 0.0);
}

TEST_CASE("prompts that are kept change nothing but the time", "[calibrate][policy_trials]") {
    trial_data data;
    auto none = data.trials(data.on, 0), some = data.trials(data.on, 4 * 6 * 20000), all = data.trials(data.on);
    for (int times = 0; times < 2; ++times) {
        for (const char* text : {"margin(0.02) @ 2,4; cache=defer", "margin(0.5) @ 1-5; cache=omit", "fixed @ 3",
                                 "margin(0.02) @ 2,4; cache=defer(prefill=lazy)"}) {
            INFO(text);
            const auto policy = eo::policy_spec::parse(text);
            const calibrate::measured_policy expected = none.predict(policy);
            for (auto* const other : {&some, &all}) {
                const calibrate::measured_policy made = other->predict(policy);
                CHECK(made.speedup == expected.speedup);
                CHECK(made.loss == expected.loss);
                CHECK(made.agreement == expected.agreement);
                CHECK(made.work == expected.work);
                CHECK(calibrate::to_bytes(made.intervals) == calibrate::to_bytes(expected.intervals));
            }
        }
    }
}

TEST_CASE("a prompt that is kept is not computed again, as far as the memory reaches", "[calibrate][policy_trials]") {
    const trial_data data;
    const eo::model_shape& shape = data.model.network().shape();
    const auto one = shape.layers * eo::kv_pool::page_bytes(shape, {}, eo::kv_pool::page_entries_for(24));
    calibrate::detail::kept_prompts kept(shape, 24, 3, 2 * one);  // room for two of three
    const auto session = [&](const char* policy) {
        return make_session(data.model, eo::policy_spec::parse(policy), {.capacity = 24, .pool = kept.pool()});
    };
    for (const bool is_again : {false, true}) {
        auto with = session(is_again ? "margin(0.02) @ 2,4; cache=defer" : "fixed @ 2");
        for (std::size_t i = 0; i < 3; ++i) {
            const auto& prompt = data.samples[i].prompt;
            kept.begin(i, with);
            const eo::completion done = with.complete(prompt, {.max_new_tokens = 4});
            CHECK(done.stats.reused_tokens == (is_again && i < 2 ? prompt.size() - 1 : 0));
            kept.keep(i, prompt, with);
        }
    }
}

TEST_CASE("losses are each completion's own, and no gain", "[calibrate][policy_trials]") {
    trial_data data;
    auto trials = data.trials(data.on);
    for (const double loss : trials.losses(eo::policy_spec{})) CHECK(loss == 0.0);
    const calibrate::sample_losses losses = trials.losses(eo::policy_spec::parse("fixed @ 1"));
    REQUIRE(losses.size() == data.samples.size());
    for (const double loss : losses) CHECK((loss >= 0.0 && loss <= 1.0));
}

TEST_CASE("trials that are cancelled return what they have", "[calibrate][policy_trials]") {
    std::stop_source stop;
    stop.request_stop();
    trial_data data{.watch = {stop.get_token(), {}}};
    auto trials = data.trials(data.on);
    CHECK(trials.predict(eo::policy_spec::parse("fixed @ 2")).work.tokens == 0.0);
    CHECK(trials.losses(eo::policy_spec::parse("fixed @ 2")).empty());
}
