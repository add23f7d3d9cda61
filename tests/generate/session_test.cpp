// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/fixed_layer.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/generate/session.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace support;

namespace {

constexpr std::size_t no_cap = std::numeric_limits<std::size_t>::max();

/// Runs `check(defer)` with several caps and both prefills.
template <class Check>
void for_each_defer(Check check) {
    for (const std::size_t cap : {std::size_t{0}, std::size_t{1}, std::size_t{3}, no_cap}) {
        for (const auto order : {eo::prefill::eager, eo::prefill::lazy}) {
            INFO("defer, cap " << cap << (order == eo::prefill::lazy ? ", lazy prefill" : ""));
            check(eo::defer{.cap = cap, .prefill = order});
        }
    }
}
template <class Check>
void for_each_cache_policy(Check check) {
    check(eo::propagate{});
    check(eo::omit{});
    for_each_defer(check);
}

/// margin, which also declares all logits: a session with it stores them.
struct margin_of_logits {
    static constexpr eo::signal_set signals = eo::signal::logits | eo::signal::margin;
    static constexpr eo::threshold_direction direction = eo::threshold_direction::higher_is_conservative;
    float threshold = 0.0f;

    eo::decision operator()(const eo::signal_view<signals>& s) const {
        return s.logits().size() == 3001 && s.margin() >= threshold ? eo::decision::exit : eo::decision::go_on;
    }
};

/// Compares each state that a sequence holds with the full model's on the same tokens.
template <class Session>
void check_states(const Session& s) {
    const auto& held = s.tokens();
    const full_run full(small_network(), held.ids());
    for (std::size_t p = 0; p < held.size(); ++p) {
        INFO("position " << p << " at depth " << depth_of(held, p));
        const std::size_t depth = depth_of(held, p);
        // The last layer only updates the KV cache for earlier tokens; their final hidden state is not computed.
        const bool below_top = depth == 6 && p + 1 != held.size() && same_bits(held.hidden_state(p), full.row(5, p));
        REQUIRE((below_top || same_bits(held.hidden_state(p), full.row(depth, p))));
    }
}

}  // namespace

TEST_CASE("without exits every cache policy is full depth", "[generate][session]") {
    std::mt19937 engine(1);
    for (std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{17}, std::size_t{40}}) {
        const ids prompt = random_prompt(engine, size);
        eo::session plain{small_network()};
        const eo::completion expected = plain.complete(prompt, {.max_new_tokens = 20});
        REQUIRE(expected.ids.size() == 20);
        CHECK(expected.stats.mean_exit_layer() == 6.0);
        for_each_cache_policy([&](auto cache) {
            eo::session s{small_network(), policy(eo::never_exit{}, cache)};
            CHECK(same_output(s.complete(prompt, {.max_new_tokens = 20}), expected));
        });
    }
}

TEST_CASE("the last layer computes only the hidden states that are needed, and later tokens are unaffected",
          "[generate][sequence][arithmetic]") {
    std::mt19937 engine(11);
    const ids all = random_prompt(engine, 30);
    eo::inline_executor on;
    for (const std::size_t needed_from :
         {std::size_t{0}, std::size_t{3}, std::size_t{4}, std::size_t{5}, std::size_t{19}, std::size_t{24}}) {
        eo::run_context context(small_network(), 7, on), whole_context(small_network(), 7, on);
        eo::sequence tokens(small_network().shape(), 40), whole(small_network().shape(), 40);
        for (const eo::token_id id : std::span(all).first(25)) {
            tokens.push(small_network(), id);
            whole.push(small_network(), id);
        }
        tokens.need_from(needed_from);
        REQUIRE(eo::run_pending(small_network(), 1, 6, tokens, context));
        REQUIRE(eo::run_pending(small_network(), 1, 6, whole, whole_context));
        CAPTURE(needed_from);
        for (std::size_t p = 0; p < 25; ++p) {
            const bool is_skipped = p < needed_from && needed_from > 4;
            CHECK(same_bits(tokens.hidden_state(p), whole.hidden_state(p)) == !is_skipped);
        }
        CHECK(context.work().layer_tokens == whole_context.work().layer_tokens);
        for (const eo::token_id id : std::span(all).subspan(25)) {
            tokens.push(small_network(), id);
            whole.push(small_network(), id);
        }
        REQUIRE(eo::run_pending(small_network(), 1, 6, tokens, context));
        REQUIRE(eo::run_pending(small_network(), 1, 6, whole, whole_context));
        for (std::size_t p = 25; p < 30; ++p) REQUIRE(same_bits(tokens.hidden_state(p), whole.hidden_state(p)));
    }
}

TEST_CASE("full depth is arg-max after arg-max of the model", "[generate][session]") {
    std::mt19937 engine(2);
    const ids prompt = random_prompt(engine, 9);
    eo::session s{small_network()};
    const eo::completion made = s.complete(prompt, {.max_new_tokens = 12});
    ids all = prompt;
    for (const eo::token_id id : made.ids) {
        full_run full(small_network(), all);
        const std::vector<float> logits = full.logits(6, all.size() - 1);
        CHECK(id == std::ranges::max_element(logits) - logits.begin());
        all.push_back(id);
    }
}

TEST_CASE("deferred states are the full model's, at whatever layers tokens exit", "[generate][session]") {
    std::mt19937 engine(3);
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
        const ids prompt = random_prompt(engine, 1 + seed * 5);
        for_each_defer([&](eo::defer cache) {
            eo::session s{small_network(), policy(hash_gate{.seed = seed, .exit_percent = 40}, cache)};
            s.start(prompt, {.max_new_tokens = 25});
            while (const auto event = s.next()) {
                if (event->index % 6 == 0) check_states(s);
            }
            check_states(s);
        });
    }
}

TEST_CASE("deferred tokens come from the exact state at their exit", "[generate][session]") {
    std::mt19937 engine(4);
    for (std::uint32_t seed = 10; seed < 14; ++seed) {
        const ids prompt = random_prompt(engine, 7);
        for_each_defer([&](eo::defer cache) {
            eo::session s{small_network(), policy(hash_gate{.seed = seed, .exit_percent = 50}, cache)};
            const eo::completion made = s.complete(prompt, {.max_new_tokens = 20});
            ids all = prompt;
            all.insert(all.end(), made.ids.begin(), made.ids.end());
            full_run full(small_network(), all);
            std::size_t early = 0;
            for (std::size_t i = 0; i < made.ids.size(); ++i) {
                const std::vector<float> logits = full.logits(made.exit_layers[i], prompt.size() + i - 1);
                REQUIRE(made.ids[i] == std::ranges::max_element(logits) - logits.begin());
                early += made.exit_layers[i] < 6 ? 1 : 0;
            }
            CHECK((early > 4 || cache.cap == 0));
        });
    }
}

TEST_CASE("lazy and eager prefill differ only in the first token's layer", "[generate][session]") {
    std::mt19937 engine(5);
    const ids prompt = random_prompt(engine, 30);
    eo::session lazy{small_network(), policy(eo::always_exit{}, eo::defer{.prefill = eo::prefill::lazy})};
    const eo::completion shallow = lazy.complete(prompt, {.max_new_tokens = 5});
    CHECK(shallow.exit_layers == std::vector<std::size_t>{1, 1, 1, 1, 1});
    CHECK(lazy.tokens().frontier(1) == 34);
    CHECK(lazy.tokens().frontier(2) == 0);
    CHECK(shallow.stats.prefill.layer_tokens == 30);
    CHECK(shallow.stats.decode.layer_tokens == 4);

    eo::session eager{small_network(), policy(eo::always_exit{}, eo::defer{})};
    const eo::completion deep = eager.complete(prompt, {.max_new_tokens = 5});
    CHECK(deep.exit_layers == std::vector<std::size_t>{6, 1, 1, 1, 1});
    CHECK(eager.tokens().frontier(6) == 30);
    CHECK(deep.stats.prefill.layer_tokens == 180);
}

TEST_CASE("a cap counts generated tokens, and once it is reached the next runs to full depth", "[generate][session]") {
    std::mt19937 engine(6);
    const ids prompt = random_prompt(engine, 20);
    eo::session s{small_network(), policy(eo::always_exit{}, eo::defer{.cap = 3, .prefill = eo::prefill::lazy})};
    const eo::completion made = s.complete(prompt, {.max_new_tokens = 10});
    // The prompt's 20 deferred tokens do not count; three generated ones do, and the fourth catches up.
    CHECK(made.exit_layers == std::vector<std::size_t>{1, 1, 1, 1, 6, 1, 1, 1, 6, 1});
    CHECK(made.stats.catch_up_layer_tokens == 5 * 23 + 5 * 3);
    check_states(s);
}

TEST_CASE("work is counted by hand", "[generate][session]") {
    const auto& network = small_network();
    eo::session s{network, policy(eo::fixed_layer{2}, eo::propagate{})};
    const ids prompt{1, 2, 3, 4};
    const eo::completion made = s.complete(prompt, {.max_new_tokens = 4});
    CHECK(made.exit_layers == std::vector<std::size_t>{6, 2, 2, 2});
    CHECK(made.stats.prompt_tokens == 4);
    CHECK(made.stats.new_tokens == 4);
    CHECK(made.stats.exit_histogram == std::vector<std::size_t>{0, 0, 3, 0, 0, 0, 1});
    CHECK(made.stats.mean_exit_layer() == 3.0);
    CHECK(made.stats.layers_skipped() == 0.5);
    CHECK(made.stats.prefill.layer_tokens == 24);
    CHECK(made.stats.decode.layer_tokens == 6);
    std::size_t all = 0;
    std::size_t filled = 0;
    for (std::size_t l = 1; l <= 6; ++l) all += network.layer_bytes(l);
    for (std::size_t l = 3; l <= 6; ++l) filled += network.update_kv_bytes(l);
    CHECK(made.stats.prefill.weight_bytes == all + network.output_bytes());
    // Each token after the first runs two layers and the head; the one before it is propagated first.
    CHECK(made.stats.decode.weight_bytes ==
          3 * (network.layer_bytes(1) + network.layer_bytes(2) + network.output_bytes()) + 2 * filled);
    CHECK(made.stats.gate_evaluations == 6);
    CHECK(made.stats.head_evaluations == 4);
    CHECK(made.stats.catch_up_layer_tokens == 0);
}

TEST_CASE("threads and block sizes do not change a bit", "[generate][session]") {
    std::mt19937 engine(7);
    const ids prompt = random_prompt(engine, 37, 3001);
    const auto gate = hash_gate{.seed = 3, .exit_percent = 40};
    const auto run = [&](std::size_t threads, std::size_t block) {
        eo::session s{wide_network(),
                      eo::exit_policy{eo::exit_plan{eo::exit_layers({1, 2, 3}), gate}, eo::shared_head{}, eo::defer{}},
                      {.threads = threads, .block = block}};
        return s.complete(prompt, {.max_new_tokens = 16});
    };
    const eo::completion expected = run(1, 128);
    for (const std::size_t threads : {std::size_t{1}, std::size_t{2}, std::size_t{4}}) {
        for (const std::size_t block : {std::size_t{1}, std::size_t{5}, std::size_t{16}}) {
            INFO(threads << " threads, blocks of " << block);
            const eo::completion made = run(threads, block);
            CHECK(made.ids == expected.ids);
            CHECK(made.exit_layers == expected.exit_layers);
            CHECK(same_bits(made.log_probabilities, expected.log_probabilities));
        }
    }
}

TEST_CASE("the prompt may have its own threads, and an executor may be borrowed", "[generate][session]") {
    std::mt19937 engine(12);
    const ids prompt = random_prompt(engine, 37, 3001);
    const auto run = [&](eo::session_options options) {
        eo::session s{wide_network(), eo::full_depth(), options};
        return s.complete(prompt, {.max_new_tokens = 6});
    };
    const eo::completion expected = run({});
    eo::thread_pool lent(2);
    for (const eo::session_options& options :
         {eo::session_options{.threads = 1, .prefill_threads = 3},
          eo::session_options{.threads = 3, .prefill_threads = 1},
          eo::session_options{.threads = 2, .prefill_threads = 2}, eo::session_options{.run_on = &lent}}) {
        const eo::completion made = run(options);
        CHECK(made.ids == expected.ids);
        CHECK(same_bits(made.log_probabilities, expected.log_probabilities));
    }
    CHECK_THROWS_AS(run({.threads = 0}), eo::error);
    CHECK_THROWS_AS(run({.prefill_threads = 5000}), eo::error);
}

TEST_CASE("rounded keys and values: near, and the same whatever the threads and blocks",
          "[generate][session][arithmetic]") {
    std::mt19937 engine(13);
    const ids prompt = random_prompt(engine, 37, 3001);
    const auto run = [&](eo::kv_format kv, std::size_t threads, std::size_t block) {
        eo::session s{wide_network(), eo::full_depth(), {.threads = threads, .block = block, .kv = kv}};
        return s.complete(prompt, {.max_new_tokens = 6});
    };
    const float exact = run(eo::f32{}, 1, 128).log_probabilities.front();
    for (const eo::kv_format kv : {eo::kv_format(eo::f16{}), eo::kv_format(eo::bf16{}), eo::kv_format(eo::int8{})}) {
        const eo::completion first = run(kv, 1, 128);
        const float off = std::abs(first.log_probabilities.front() - exact);
        CHECK(off > 0.0f);
        CHECK(off < (kv == eo::f16{} ? 0.01f : 0.1f));
        for (const std::size_t block : {std::size_t{1}, std::size_t{5}}) {
            const eo::completion made = run(kv, 3, block);
            CHECK(made.ids == first.ids);
            CHECK(same_bits(made.log_probabilities, first.log_probabilities));
        }
    }
}

TEST_CASE("a long context has the same bits whatever the threads and blocks", "[generate][session][arithmetic]") {
    const eo::gpt2<> network =
        support::random_gpt2({.layers = 3, .d_model = 24, .heads = 2, .vocab = 97, .context = 1200}, 5);
    std::mt19937 engine(17);
    const ids prompt = random_prompt(engine, 1100);
    for (const eo::kv_format kv : {eo::kv_format(eo::f32{}), eo::kv_format(eo::int8{})}) {
        const auto run = [&](std::size_t threads, std::size_t block) {
            const eo::exit_plan plan{eo::exit_layers({1, 2}), eo::margin{.threshold = 0.02f}};
            eo::session s{network,
                          eo::exit_policy{plan, eo::shared_head{}, eo::defer{.cap = 3}},
                          {.threads = threads, .block = block, .kv = kv}};
            return s.complete(prompt, {.max_new_tokens = 20});
        };
        const eo::completion first = run(1, 128);
        for (const auto& [threads, block] : {std::pair<std::size_t, std::size_t>{2, 128}, {3, 7}, {2, 1}}) {
            const eo::completion made = run(threads, block);
            CHECK(made.ids == first.ids);
            CHECK(made.exit_layers == first.exit_layers);
            CHECK(same_bits(made.log_probabilities, first.log_probabilities));
        }
    }
}

TEST_CASE("a gate chosen at run time decides as the gate it holds", "[generate][session]") {
    std::mt19937 engine(8);
    const ids prompt = random_prompt(engine, 12);
    for_each_cache_policy([&](auto cache) {
        eo::session typed{small_network(), policy(remembering_gate{}, cache)};
        eo::session erased{small_network(), policy(eo::any_gate{remembering_gate{}}, cache)};
        CHECK(same_output(typed.complete(prompt, {.max_new_tokens = 24}),
                          erased.complete(prompt, {.max_new_tokens = 24})));
    });
}

TEST_CASE("a long context does not allocate its memory by default", "[generate][session]") {
    const eo::gpt2<> network =
        support::random_gpt2({.layers = 1, .d_model = 4, .heads = 1, .vocab = 5, .context = 5000}, 3);
    CHECK(eo::session(network).capacity() == 4096);
    CHECK(eo::session(network, eo::full_depth(), {.capacity = 5000}).capacity() == 5000);
    eo::session small(network);
    CHECK(support::error_of([&] { (void)small.complete(support::ids(4097, 1)); }) ==
          support::thrown(eo::errc::out_of_range, {"at most 4096", "4097", "larger capacity"}));
}

TEST_CASE("tokens and their probabilities are the same bits without stored logits", "[generate][session]") {
    std::mt19937 engine(31);
    const eo::exit_layers layers({1, 2, 3});
    for (const std::size_t threads : {1u, 2u}) {
        eo::session stored(
            wide_network(),
            eo::exit_policy{eo::exit_plan{layers, margin_of_logits{0.02f}}, eo::shared_head{}, eo::defer{}},
            {.threads = threads});
        eo::session lean(
            wide_network(),
            eo::exit_policy{eo::exit_plan{layers, eo::margin{.threshold = 0.02f}}, eo::shared_head{}, eo::defer{}},
            {.threads = threads});
        for (int i = 0; i < 4; ++i) {
            const ids prompt = random_prompt(engine, 7, 3001);
            // Sampled tokens need logits, greedy ones do not: alternate, on the same session.
            const eo::generate_options options{.max_new_tokens = 12, .temperature = i % 2 == 0 ? 0.0f : 0.8f};
            const eo::completion a = stored.complete(prompt, options), b = lean.complete(prompt, options);
            CAPTURE(threads, i);
            CHECK(a.ids == b.ids);
            CHECK(a.exit_layers == b.exit_layers);
            CHECK(same_bits(a.log_probabilities, b.log_probabilities));
            CHECK(a.stats.head_evaluations == b.stats.head_evaluations);
            CHECK(a.stats.decode.weight_bytes == b.stats.decode.weight_bytes);
            CHECK(a.stats.mean_exit_layer() < 4.0);
            CHECK(a.stats.mean_exit_layer() > 1.0);
        }
    }
}
