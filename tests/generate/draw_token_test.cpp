// SPDX-License-Identifier: MIT
#include <earlyout/generate/draw_token.hpp>

#include <earlyout/exit/gates/entropy.hpp>
#include <earlyout/exit/gates/kl_divergence.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/heads/shortlist.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using outcome = eo::prediction::outcome;
using Catch::Matchers::WithinAbs;

namespace {

constexpr std::size_t drawn_vocab = 97;

/// Logits made up by the test, of which it counts what is computed.
class made_up_logits final : public eo::logit_source {
public:
    explicit made_up_logits(std::uint32_t seed) : values(support::random_source(seed).floats(drawn_vocab, 2.0f)) {}

    void logits(std::size_t, std::span<const float>, std::span<float> out) override {
        ++computed;
        std::ranges::copy(values, out.begin());
    }
    eo::kernels::logit_summary summary(std::size_t, std::span<const float>) override {
        ++summarized;
        std::vector<eo::kernels::logit_summary> blocks(drawn_vocab / eo::kernels::summary_block + 1);
        return eo::kernels::summarize(values.data(), values.size(), blocks);
    }
    void set_shortlist(std::span<const eo::token_id> ids) override { few.assign(ids.begin(), ids.end()); }
    void shortlist_logits(std::size_t, std::span<const float>, std::span<float> out) override {
        ++shortlisted;
        for (std::size_t i = 0; i < few.size(); ++i) out[i] = values[static_cast<std::size_t>(few[i])];
    }
    [[nodiscard]] eo::token_id best() const {
        return static_cast<eo::token_id>(std::ranges::max_element(values) - values.begin());
    }
    [[nodiscard]] double log_probability(eo::token_id id) const {
        double sum = 0.0;
        for (const float x : values) sum += std::exp(static_cast<double>(x));
        return static_cast<double>(values[static_cast<std::size_t>(id)]) - std::log(sum);
    }

    std::vector<float> values;
    std::vector<eo::token_id> few;
    int computed = 0, summarized = 0, shortlisted = 0;
};

/// A sequence of four prompt tokens and three new ones that is about to get the next at some exit.
template <class Policy>
struct drawing {
    drawing(const Policy& of, const eo::generate_options& options, std::uint32_t seed = 1)
        : policy(of),
          g(support::small_network(), policy, eo::sequence(support::small_network().shape(), 20)),
          source(seed),
          hidden(20, 0.5f) {
        g.options = options;
        g.signals.start_completion(4);
        g.signals.use_shortlist(true);
        g.signals.use_summaries(eo::needs_argmax_alone<eo::gpt2<>>(policy, options));
        for (const eo::token_id id : {3, 1, 4, 1, 5, 9, 2}) g.tokens.push(support::small_network(), id);
    }
    void give_shortlist(const std::vector<eo::token_id>& ids) { g.signals.give_shortlist(ids, source); }
    eo::prediction draw(eo::decision decided = eo::decision::exit, std::size_t layer = 6) {
        g.signals.start_token(g.tokens.size() - 1);
        g.signals.begin_exit(layer, hidden, source);
        return eo::draw_token(policy, g, decided, 6);
    }

    Policy policy;
    eo::generation<eo::gpt2<>, Policy> g;
    made_up_logits source;
    std::vector<float> hidden;
};

auto drawn_with(eo::shortlist_reach reach) {
    return eo::exit_policy{eo::exit_plan{support::every_layer, support::hash_gate{}},
                           eo::shortlist{3, eo::shared_head{}, reach}, eo::propagate{}};
}

}  // namespace

TEST_CASE("the most likely token is drawn from summaries, with the same log-probability as from logits",
          "[generate][draw_token]") {
    for (const bool from_summaries : {true, false}) {
        drawing at(eo::full_depth(), {});
        at.g.signals.use_summaries(from_summaries);
        const eo::prediction made = at.draw(eo::decision::exit, 5);
        CHECK(made.result == outcome::token);
        CHECK(made.token == at.source.best());
        CHECK(made.exit_layer == 5);
        CHECK_FALSE(made.drafted);
        CHECK_THAT(made.log_probability, WithinAbs(at.source.log_probability(made.token), 1e-5));
        CHECK(at.source.computed == (from_summaries ? 0 : 1));
        CHECK(at.source.summarized == (from_summaries ? 1 : 0));
    }
}

TEST_CASE("a token is sampled with the random number of its place and the tokens so far", "[generate][draw_token]") {
    std::size_t unlikely = 0;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        const eo::generate_options options{.temperature = 1.5f, .repetition_penalty = 1.5f, .seed = seed};
        drawing at(eo::full_depth(), options);
        const eo::prediction made = at.draw();
        eo::sampler expected(drawn_vocab);
        const std::vector<eo::token_id> history{3, 1, 4, 1, 5, 9, 2};
        CHECK(made.token == expected(at.source.values, history, options, 3));  // the fourth new token
        CHECK_THAT(made.log_probability, WithinAbs(at.source.log_probability(made.token), 1e-5));
        unlikely += made.token != at.source.best() ? 1 : 0;
    }
    CHECK(unlikely > 10);
    // Tokens after the one that it follows do not count.
    const eo::generate_options penalty{.repetition_penalty = 100.0f};
    drawing at(eo::full_depth(), penalty);
    at.source.values.assign(drawn_vocab, 0.0f);
    at.source.values[2] = 4.0f;
    at.source.values[60] = 3.0f;
    CHECK(at.draw().token == 60);
    at.g.signals.start_token(5);
    at.g.signals.begin_exit(6, at.hidden, at.source);
    CHECK(eo::draw_token(at.policy, at.g, eo::decision::exit, 6).token == 2);
}

TEST_CASE("a stop draws nothing unless the options request its arg-max", "[generate][draw_token]") {
    for (const auto& [decided, result] :
         {std::pair{eo::decision::stop, outcome::stopped}, {eo::decision::spent, outcome::budget_spent}}) {
        drawing silent(eo::full_depth(), {.temperature = 1.0f});
        const eo::prediction none = silent.draw(decided, 3);
        CHECK(none.result == result);
        CHECK(none.exit_layer == 3);
        CHECK(silent.source.computed + silent.source.summarized == 0);
        for (std::uint64_t seed = 0; seed < 10; ++seed) {
            drawing emitting(eo::full_depth(), {.temperature = 5.0f, .seed = seed, .emit_at_stop = true});
            const eo::prediction made = emitting.draw(decided, 3);
            CHECK(made.result == result);
            CHECK(made.token == emitting.source.best());
            CHECK_THAT(made.log_probability, WithinAbs(emitting.source.log_probability(made.token), 1e-5));
        }
    }
}

TEST_CASE("nothing is drawn from what is not a number", "[generate][draw_token]") {
    const float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
    for (const float temperature : {0.0f, 1.0f}) {
        for (const float wrong : {nan, infinity}) {
            drawing at(eo::full_depth(), {.temperature = temperature});
            at.source.values[40] = wrong;
            CHECK(at.draw().result == outcome::not_a_number);
            drawing state(eo::full_depth(), {.temperature = temperature});
            state.hidden[7] = wrong;
            CHECK(state.draw().result == outcome::not_a_number);
            CHECK(state.source.computed + state.source.summarized == 0);
            CHECK(state.draw(eo::decision::stop).result == outcome::not_a_number);
        }
        drawing masked(eo::full_depth(), {.temperature = temperature});
        std::ranges::fill(masked.source.values, -infinity);
        CHECK(masked.draw().result == outcome::not_a_number);
    }
}

TEST_CASE("a shortlist's tokens are drawn from it as far as it reaches", "[generate][draw_token]") {
    const std::vector<eo::token_id> few{10, 20, 30};
    const auto best_of_few = [&](const made_up_logits& source) {
        return *std::ranges::max_element(few, {},
                                         [&](eo::token_id id) { return source.values[static_cast<std::size_t>(id)]; });
    };
    drawing exits(drawn_with(eo::shortlist_reach::exits), {});
    exits.give_shortlist(few);
    REQUIRE(best_of_few(exits.source) != exits.source.best());
    CHECK(exits.draw(eo::decision::exit, 4).token == best_of_few(exits.source));
    CHECK(exits.source.computed == 0);
    CHECK(exits.source.shortlisted == 1);
    CHECK(exits.draw(eo::decision::exit, 6).token == exits.source.best());
    CHECK(exits.source.computed == 1);

    drawing all(drawn_with(eo::shortlist_reach::full_depth), {});
    all.give_shortlist(few);
    CHECK(all.draw(eo::decision::exit, 6).token == best_of_few(all.source));
    CHECK(all.source.computed == 0);

    // Sampling needs the whole distribution.
    const eo::generate_options sampled{.temperature = 1.0f, .seed = 2};
    drawing random(drawn_with(eo::shortlist_reach::full_depth), sampled);
    random.give_shortlist(few);
    CHECK(random.draw(eo::decision::exit, 4).token == eo::sampler(drawn_vocab)(random.source.values, {}, sampled, 3));
    CHECK(random.source.computed == 1);
}

TEST_CASE("the arg-max alone is needed where nothing reads single logits", "[generate][draw_token]") {
    const auto alone = [](const auto& policy, const eo::generate_options& options = {}) {
        return eo::needs_argmax_alone<eo::gpt2<>>(policy, options);
    };
    const auto full = eo::full_depth();
    CHECK(alone(full));
    CHECK(alone(full, {.temperature = 0.7f, .top_k = 1}));
    CHECK_FALSE(alone(full, {.temperature = 0.7f}));
    CHECK_FALSE(alone(full, {.repetition_penalty = 1.1f}));
    CHECK_FALSE(alone(full, {.on_logits = [](std::span<const eo::token_id>, std::span<float>) {}}));
    CHECK(alone(support::policy(eo::margin{}, eo::propagate{})));
    CHECK_FALSE(alone(support::policy(eo::entropy{}, eo::propagate{})));
    CHECK_FALSE(alone(support::policy(eo::kl_divergence{}, eo::propagate{})));
    CHECK_FALSE(alone(support::policy(
        eo::make_gate<eo::signal::logits>([](const auto&) { return eo::decision::go_on; }), eo::propagate{})));
    CHECK_FALSE(alone(drawn_with(eo::shortlist_reach::exits)));
}
