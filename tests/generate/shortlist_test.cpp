// SPDX-License-Identifier: MIT
// A completion whose later exits compute the logits of a few tokens, against a plain implementation.
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/session.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <random>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;
using Catch::Matchers::WithinAbs;

namespace {

/// Reads the margin everywhere, and exits by position and layer alone.
struct place_gate {
    static constexpr eo::signal_set signals = eo::signal::margin;
    std::uint32_t seed = 0;
    eo::decision operator()(const auto& s) const {
        (void)s.margin();
        const auto place = static_cast<std::uint32_t>(s.position() * 64 + s.layer());
        return mixed(seed + place) % 3 == 0 ? eo::decision::exit : eo::decision::go_on;
    }
};

template <class Gate, class Cache>
auto short_policy(std::size_t tokens, Gate gate, Cache cache, eo::shortlist_reach reach = eo::shortlist_reach::exits) {
    return eo::exit_policy{eo::exit_plan{every_layer, gate}, eo::shortlist{tokens, eo::shared_head{}, reach}, cache};
}

/// What hash_gate sees of an exit.
struct plain_exit {
    std::size_t at_layer, at_position;
    eo::token_id best;
    std::size_t layer() const { return at_layer; }
    std::size_t position() const { return at_position; }
    eo::token_id argmax() const { return best; }
};

struct predicted_token {
    eo::token_id id = 0;
    std::size_t layer = 0;
    double log_probability = 0.0;
};

/// The next token after `all`, with a shortlist at every exit but the first.
predicted_token plain_step(const hash_gate& gate, const ids& all, std::size_t kept, eo::shortlist_reach reach) {
    full_run full(small_network(), all);
    const std::size_t last = all.size() - 1;
    std::vector<std::size_t> listed(97);  // tokens, lowest first
    std::iota(listed.begin(), listed.end(), std::size_t{0});
    for (std::size_t layer = 1; layer <= 6; ++layer) {
        const std::vector<float> logits = full.logits(layer, last);
        if (layer == 6 && reach == eo::shortlist_reach::exits) {
            listed.resize(97);
            std::iota(listed.begin(), listed.end(), std::size_t{0});
        }
        const auto less = [&](std::size_t a, std::size_t b) { return logits[a] < logits[b]; };
        const std::size_t best = *std::ranges::max_element(listed, less);
        const auto token = static_cast<eo::token_id>(best);
        if (layer == 6 || gate(plain_exit{layer, last, token}) == eo::decision::exit) {
            double sum = 0.0;
            for (const std::size_t t : listed) sum += std::exp(static_cast<double>(logits[t]));
            return {token, layer, static_cast<double>(logits[best]) - std::log(sum)};
        }
        if (layer != 1) continue;
        std::ranges::stable_sort(listed, [&](std::size_t a, std::size_t b) { return less(b, a); });
        listed.resize(kept);
        std::ranges::sort(listed);
    }
    return {};
}

}  // namespace

TEST_CASE("with a shortlist, exits and tokens are those of a plain implementation", "[generate][shortlist]") {
    std::mt19937 engine(1);
    for (std::uint32_t seed = 0; seed < 4; ++seed) {
        const auto reach = seed % 2 == 0 ? eo::shortlist_reach::exits : eo::shortlist_reach::full_depth;
        const hash_gate gate{.seed = seed, .exit_percent = 25};
        ids all = random_prompt(engine, 6);
        eo::session s{small_network(), short_policy(7, gate, eo::defer{.prefill = eo::prefill::lazy}, reach)};
        const eo::completion made = s.complete(all, {.max_new_tokens = 16});
        CHECK(std::ranges::count(made.exit_layers, std::size_t{6}) > 0);
        for (std::size_t i = 0; i < made.ids.size(); ++i) {
            const predicted_token expected = plain_step(gate, all, 7, reach);
            CAPTURE(seed, i);
            REQUIRE(made.ids[i] == expected.id);
            REQUIRE(made.exit_layers[i] == expected.layer);
            REQUIRE_THAT(made.log_probabilities[i], WithinAbs(expected.log_probability, 1e-5));
            all.push_back(made.ids[i]);
        }
        CHECK(made.stats.shortlist_evaluations > 5);
        CHECK(made.stats.head_evaluations >= made.ids.size());
    }
}

TEST_CASE("a shortlist of the whole vocabulary changes nothing", "[generate][shortlist]") {
    std::mt19937 engine(2);
    const ids prompt = random_prompt(engine, 9);
    const hash_gate gate{.seed = 5, .exit_percent = 20, .stop_percent = 1};
    for (const std::size_t tokens : {std::size_t{97}, std::size_t{1000}}) {
        eo::session few{small_network(), short_policy(tokens, gate, eo::propagate{})};
        eo::session all{small_network(), policy(gate, eo::propagate{})};
        for (const bool emit : {false, true}) {
            const eo::generate_options options{.max_new_tokens = 30, .emit_at_stop = emit};
            CHECK(same_output(few.complete(prompt, options), all.complete(prompt, options)));
        }
    }
}

TEST_CASE("full depth and sampled tokens come from all logits", "[generate][shortlist]") {
    std::mt19937 engine(3);
    const ids prompt = random_prompt(engine, 9);
    eo::session deep{small_network(), short_policy(2, eo::never_exit{}, eo::propagate{})};
    eo::session plain{small_network()};
    CHECK(same_output(deep.complete(prompt, {.max_new_tokens = 20}), plain.complete(prompt, {.max_new_tokens = 20})));

    eo::session few{small_network(), short_policy(3, place_gate{4}, eo::defer{})};
    eo::session all{small_network(), policy(place_gate{4}, eo::defer{})};
    for (const eo::generate_options& options :
         {eo::generate_options{.max_new_tokens = 30, .temperature = 0.9f, .seed = 7},
          eo::generate_options{.max_new_tokens = 30, .repetition_penalty = 1.3f}}) {
        const eo::completion made = few.complete(prompt, options);
        CHECK(made.stats.shortlist_evaluations > 0);
        CHECK(same_output(made, all.complete(prompt, options)));
    }
    CHECK_FALSE(few.complete(prompt, {.max_new_tokens = 30}).log_probabilities ==
                all.complete(prompt, {.max_new_tokens = 30}).log_probabilities);
}

TEST_CASE("a shortlist that reaches full depth spares it the whole vocabulary", "[generate][shortlist]") {
    std::mt19937 engine(5);
    const ids prompt = random_prompt(engine, 9);
    const auto asked_in_vain = [](eo::shortlist_reach reach) {
        return eo::exit_policy{eo::exit_plan{eo::after<2>(eo::margin{2.0f})},
                               eo::shortlist{20, eo::shared_head{}, reach}, eo::propagate{}};
    };
    eo::session near{small_network(), asked_in_vain(eo::shortlist_reach::exits)};
    eo::session far{small_network(), asked_in_vain(eo::shortlist_reach::full_depth)};
    const eo::completion twice = near.complete(prompt, {.max_new_tokens = 10});
    const eo::completion once = far.complete(prompt, {.max_new_tokens = 10});
    // The first token comes from the prompt, which ran to full depth: no exit is evaluated.
    CHECK(twice.stats.head_evaluations == 19);
    CHECK(twice.stats.shortlist_evaluations == 0);
    CHECK(once.stats.head_evaluations == 10);
    CHECK(once.stats.shortlist_evaluations == 9);
    // A sampled token comes from all logits nevertheless.
    const eo::generate_options sampled{.max_new_tokens = 10, .temperature = 0.8f, .seed = 2};
    CHECK(same_output(near.complete(prompt, sampled), far.complete(prompt, sampled)));
    eo::session whole{
        small_network(),
        eo::exit_policy{eo::exit_plan{eo::after<2>(eo::margin{2.0f})},
                        eo::shortlist{97, eo::shared_head{}, eo::shortlist_reach::full_depth}, eo::propagate{}}};
    CHECK(same_output(whole.complete(prompt, {.max_new_tokens = 10}), twice));
}

TEST_CASE("a shortlist's rows and their copies are counted", "[generate][shortlist]") {
    const auto& network = small_network();
    // Evaluated after layers 2 and 4, where it exits.
    const auto leave_at_4 = eo::exit_policy{
        eo::exit_plan{eo::after<2>(eo::and_then(eo::always_exit{}, place_gate{})), eo::after<4>(eo::always_exit{})},
        eo::shortlist{40}, eo::defer{}};
    eo::session s{network, leave_at_4};
    const eo::completion made = s.complete(ids{1, 2, 3, 4}, {.max_new_tokens = 4});
    const auto gathered = network.allocate_output_rows(40);
    const std::size_t rows_bytes = network.final_norm().bytes() + gathered.bytes();
    std::size_t expected = 0;
    std::size_t shallow = 0;
    for (std::size_t i = 1; i < 4; ++i) {
        for (std::size_t l = 1; l <= made.exit_layers[i]; ++l) expected += network.layer_bytes(l);
        expected += network.output_bytes();
        if (made.exit_layers[i] == 4) expected += network.output().weight().gather_bytes(40) + rows_bytes;
        shallow += made.exit_layers[i] == 4 ? 1 : 0;
    }
    CHECK(shallow > 0);
    CHECK(made.stats.decode.weight_bytes == expected);
    CHECK(made.stats.shortlist_evaluations == shallow);
    CHECK(made.stats.head_evaluations == 4);
}

TEST_CASE("threads do not change a shortlist", "[generate][shortlist]") {
    std::mt19937 engine(4);
    const ids prompt = random_prompt(engine, 12, 3001);
    const auto run = [&](std::size_t threads) {
        eo::session s{wide_network(),
                      eo::exit_policy{eo::exit_plan{eo::exit_layers({1, 2, 3}), hash_gate{.seed = 3}},
                                      eo::shortlist{300}, eo::defer{}},
                      {.threads = threads}};
        return s.complete(prompt, {.max_new_tokens = 12});
    };
    CHECK(same_output(run(3), run(1)));
}
