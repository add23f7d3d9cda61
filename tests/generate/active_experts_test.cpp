// SPDX-License-Identifier: MIT
// The number of experts that a token chooses, by policy and by request.
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/generate/make_session.hpp>
#include <earlyout/generate/scheduler.hpp>
#include <earlyout/generate/sequence_file.hpp>
#include <earlyout/models/mixtral.hpp>

#include <cstddef>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/counted_allocations.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"

using namespace support;

namespace {

/// Six experts, of which a token chooses `active`; by itself two.
const eo::mixtral<>& mixture_of(std::size_t active) {
    static std::vector<eo::mixtral<>> all = [] {
        std::vector<eo::mixtral<>> made;
        for (std::int64_t k = 1; k <= 6; ++k) {
            made.push_back(eo::mixtral<>::from_checkpoint(editable_copy("mixtral").set("num_experts_per_tok", k)));
        }
        return made;
    }();
    return all[active - 1];
}
const eo::mixtral<>& two_of_six() { return mixture_of(2); }

const ids first_prompt{5, 17, 3, 50, 2, 2, 31, 9};

bool same(const eo::completion& a, const eo::completion& b) {
    return a.ids == b.ids && a.log_probabilities == b.log_probabilities && a.exit_layers == b.exit_layers;
}

eo::completion with_own_number(std::size_t active, const ids& prompt, std::size_t new_tokens = 20) {
    eo::session s{mixture_of(active)};
    return s.complete(prompt, {.max_new_tokens = new_tokens});
}

eo::policy_spec spec(const std::string& text) { return eo::policy_spec::parse(text); }

}  // namespace

TEST_CASE("a policy or a request chooses the number of experts", "[generate][active_experts]") {
    eo::session s{two_of_six()};
    for (std::size_t k = 1; k <= 6; ++k) {
        INFO(k);
        const eo::completion expected = with_own_number(k, first_prompt);
        CHECK(same(s.complete(first_prompt, {.max_new_tokens = 20, .active_experts = k}), expected));
        auto named = eo::make_session(two_of_six(), spec("full-depth; experts=" + std::to_string(k)));
        CHECK(same(named.complete(first_prompt, {.max_new_tokens = 20}), expected));
        // The request's number comes before the policy's.
        CHECK(same(named.complete(first_prompt, {.max_new_tokens = 20, .active_experts = 5}),
                   with_own_number(5, first_prompt)));
        CHECK(expected.stats.decode.weight_bytes ==
              19 * (two_of_six().layer_bytes(1) * 2 + two_of_six().output_bytes() +
                    2 * k * (mixture_of(2).layer_bytes(1) - mixture_of(1).layer_bytes(1)) -
                    4 * (mixture_of(2).layer_bytes(1) - mixture_of(1).layer_bytes(1))));
    }
    CHECK_FALSE(with_own_number(1, first_prompt).ids == with_own_number(2, first_prompt).ids);
    CHECK(same(s.complete(first_prompt, {.max_new_tokens = 20}), with_own_number(2, first_prompt)));
}

TEST_CASE("tokens that chose other numbers of experts are not reused", "[generate][active_experts]") {
    eo::session s{two_of_six()};
    CHECK(s.complete(first_prompt, {.max_new_tokens = 10}).stats.reused_tokens == 0);
    CHECK(s.complete(first_prompt, {.max_new_tokens = 10, .active_experts = 2}).stats.reused_tokens == 7);
    const eo::completion other = s.complete(first_prompt, {.max_new_tokens = 10, .active_experts = 3});
    CHECK(other.stats.reused_tokens == 0);
    CHECK(same(other, with_own_number(3, first_prompt, 10)));
    CHECK(s.complete(first_prompt, {.max_new_tokens = 10, .active_experts = 3}).stats.reused_tokens == 7);
    CHECK(same(s.complete(first_prompt, {.max_new_tokens = 10}), with_own_number(2, first_prompt, 10)));
}

TEST_CASE("sequences with other numbers of experts run in one batch", "[generate][active_experts]") {
    using scheduler = eo::scheduler<eo::mixtral<>, eo::any_exit_policy, eo::any_drafter>;
    std::mt19937 engine(3);
    std::vector<std::shared_ptr<const eo::any_exit_policy>> policies;
    for (const char* text :
         {"full-depth", "full-depth; experts=1", "margin(0.1) @ 1; cache=defer; experts=4", "full-depth; experts=6"}) {
        policies.push_back(std::make_shared<eo::any_exit_policy>(eo::make_policy(spec(text), two_of_six())));
    }
    const auto none = std::make_shared<eo::any_drafter>();
    const auto suffix = std::make_shared<eo::any_drafter>(eo::make_drafter(eo::drafts_spec::parse("suffix")));
    scheduler batch(two_of_six(), {.sequences = 4, .capacity = 60, .block = 16});
    std::vector<eo::completion> expected(24), found(24);
    for (std::size_t i = 0; i < found.size(); ++i) {
        // Many begin alike, so that what sequences hold is of use to those of the same number.
        ids prompt = first_prompt;
        const ids more = random_prompt(engine, 1 + engine() % 9, 53);
        prompt.insert(prompt.end(), more.begin(), more.end());
        const auto& policy = policies[engine() % policies.size()];
        const bool drafts = engine() % 3 == 0;
        const eo::generate_options options{.max_new_tokens = 1 + engine() % 25,
                                           .active_experts = engine() % 2 == 0 ? 0 : engine() % 7};
        eo::session s{two_of_six(), *policy, drafts ? *suffix : *none, {.capacity = 60}};
        expected[i] = s.complete(prompt, options);
        batch.submit({.prompt = prompt,
                      .options = options,
                      .policy = policy,
                      .drafter = drafts ? suffix : none,
                      .on_end = [&found, i](const eo::completion& done) { found[i] = done; }});
    }
    while (batch.run()) {
    }
    std::size_t reused = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        INFO(i);
        CHECK(same(found[i], expected[i]));
        reused += found[i].stats.reused_tokens;
    }
    CHECK(reused > 0);
    CHECK(batch.reusable(first_prompt, 3) + batch.reusable(first_prompt) > 0);
}

TEST_CASE("drafts are verified with as many experts", "[generate][active_experts]") {
    for (const char* text : {"full-depth; draft=suffix; experts=1", "full-depth; draft=hashed(1)|recycled; experts=3",
                             "margin(0.01) @ 1; draft=depth; experts=3"}) {
        INFO(text);
        auto s = eo::make_session(two_of_six(), spec(text), {.drafts = {.block_costs = {1.0}}});
        const eo::completion made = s.complete(first_prompt, {.max_new_tokens = 40});
        const eo::completion expected = with_own_number(spec(text).active_experts, first_prompt, 40);
        CHECK(made.ids == expected.ids);
        CHECK(made.log_probabilities == expected.log_probabilities);
        CHECK(made.stats.drafted > 0);
    }
}

TEST_CASE("steps of a mixture allocate nothing", "[generate][active_experts]") {
    for (const std::size_t k : {0u, 1u, 6u}) {
        eo::session s{two_of_six(), eo::exit_policy{eo::exit_plan{eo::exit_layers({1}), hash_gate{}}, eo::shared_head{},
                                                    eo::defer{}}};
        s.start(first_prompt, {.max_new_tokens = 40, .active_experts = k});
        std::size_t taken = 0;
        for (bool more = true; more;) taken += allocations_of([&] { more = s.next().has_value(); });
        CHECK(taken == 0);
    }
}

TEST_CASE("a saved sequence of a mixture keeps its number of experts", "[generate][active_experts]") {
    const eo::model_shape& shape = two_of_six().shape();
    const auto pool = std::make_shared<eo::kv_pool>(shape, eo::kv_format{}, 24);
    eo::sequence tokens(shape, 40, pool);
    CHECK(tokens.active_experts() == 2);
    tokens.use_experts(5);
    eo::run_context context(two_of_six(), 16, one_thread());
    for (const eo::token_id id : first_prompt) tokens.push(two_of_six(), id);
    REQUIRE(eo::run_pending(two_of_six(), 1, 2, tokens, context));
    std::ostringstream out;
    eo::sequence_file::save(eo::sequence_snapshot(shape, tokens, 8, pool), shape, "a model", out, "file");
    std::istringstream in(out.str());
    const eo::sequence_snapshot loaded = eo::sequence_file::load(shape, "a model", pool, in, "file");
    CHECK(loaded.active_experts() == 5);
    eo::sequence restored(shape, 40, pool);
    restored.restore(loaded, 8);
    CHECK(restored.active_experts() == 5);
    CHECK(restored.at(0).active_experts == 5);
    restored.use_experts(0);
    CHECK(restored.active_experts() == 2);
}

TEST_CASE("numbers of experts that a model does not have are refused", "[generate][active_experts][errors]") {
    const auto too_many = thrown(eo::errc::out_of_range, {"active experts", "1 .. 6", "7"});
    const auto no_mixture = thrown(eo::errc::unsupported, {"active experts", "without mixtures", "2"});
    eo::session s{two_of_six()};
    CHECK(error_of([&] { (void)s.complete(first_prompt, {.active_experts = 7}); }) == too_many);
    CHECK(error_of([&] { (void)eo::make_session(two_of_six(), spec("full-depth; experts=7")); }) == too_many);
    eo::exit_policy policy = eo::full_depth();
    policy.active_experts = 7;
    CHECK(error_of([&] { eo::session refused(two_of_six(), policy); }) == too_many);
    policy.active_experts = 2;
    CHECK(error_of([&] { eo::session refused(small_network(), policy); }) == no_mixture);
    eo::session dense{small_network()};
    CHECK(error_of([&] { (void)dense.complete(first_prompt, {.active_experts = 2}); }) == no_mixture);
    CHECK(error_of([&] { (void)resolve(spec("margin; experts=2"), small_network()); }) == no_mixture);

    using scheduler = eo::scheduler<eo::mixtral<>, eo::any_exit_policy, eo::any_drafter>;
    scheduler batch(two_of_six(), {.capacity = 60});
    const auto full = std::make_shared<eo::any_exit_policy>(eo::make_policy(spec("full-depth"), two_of_six()));
    CHECK(error_of([&] {
              batch.submit({.prompt = first_prompt,
                            .options = {.active_experts = 7},
                            .policy = full,
                            .drafter = std::make_shared<eo::any_drafter>()});
          }) == too_many);
}
