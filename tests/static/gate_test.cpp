// SPDX-License-Identifier: MIT
// What is a gate, a head, a cache policy and a policy, as the compiler sees it. What must not compile, with the
// sentence that says why, is in compile_fail/.
#include <earlyout/earlyout.hpp>

#include <type_traits>

#include "support/catch.hpp"

namespace eo = earlyout;
using eo::decision;
using eo::signal;

namespace {

// A gate is any copyable value with `signals` and a const call that returns a decision ...
struct plain {
    static constexpr eo::signal_set signals = signal::argmax;
    decision operator()(const auto& s) const { return s.argmax() == 0 ? decision::exit : decision::go_on; }
};
static_assert(eo::gate<plain>);

// ... with states of a token, of a sequence, or both.
struct with_token_state {
    static constexpr eo::signal_set signals = eo::no_signals;
    struct token_state {
        int n = 0;
    };
    decision operator()(const auto&, token_state&) const { return decision::go_on; }
};
struct with_sequence_state {
    static constexpr eo::signal_set signals = eo::no_signals;
    struct sequence_state {
        int n = 0;
    };
    decision operator()(const auto&, sequence_state&) const { return decision::go_on; }
};
struct with_both {
    static constexpr eo::signal_set signals = eo::no_signals;
    using token_state = with_token_state::token_state;
    using sequence_state = with_sequence_state::sequence_state;
    decision operator()(const auto&, token_state&, sequence_state&) const { return decision::go_on; }
};
static_assert(eo::gate<with_token_state> && eo::gate<with_sequence_state> && eo::gate<with_both>);
static_assert(std::is_same_v<eo::token_state_of<plain>, eo::no_state>);
static_assert(std::is_same_v<eo::token_state_of<with_both>, with_both::token_state>);

struct without_signals {
    decision operator()(const auto&) const { return decision::exit; }
};
struct answers_bool {
    static constexpr eo::signal_set signals = eo::no_signals;
    bool operator()(const auto&) const { return true; }
};
static_assert(!eo::gate<without_signals> && !eo::gate<answers_bool> && !eo::gate<int>);

// The library's own are gates, and so are combinations of gates.
static_assert(eo::gate<eo::always_exit> && eo::gate<eo::never_exit> && eo::gate<eo::fixed_layer>);
static_assert(eo::gate<eo::margin> && eo::gate<eo::max_probability> && eo::gate<eo::oracle> && eo::gate<eo::sec_gate>);
static_assert(eo::gate<eo::entropy> && eo::gate<eo::saturation> && eo::gate<eo::patience>);
static_assert(eo::gate<eo::learn_to_exit> && eo::gate<eo::jei_dnn> && eo::gate<eo::agreement>);
static_assert(eo::gate<eo::decaying<eo::margin>> && eo::gate<eo::decaying<eo::entropy>>);
static_assert(eo::gate<eo::and_then<plain, eo::margin>> && eo::gate<eo::all_of<plain, with_both>>);
static_assert(eo::gate<eo::any_of<with_both, eo::and_then<plain, with_both>>> && eo::gate<eo::any_gate>);

// A gate's cost is visible in its declaration.
static_assert(eo::sec_gate::signals == eo::signal_set(signal::hidden_state));
static_assert(eo::margin::signals == eo::signal_set(signal::margin));
static_assert(eo::entropy::signals == eo::signal_set(signal::entropy));
static_assert(eo::saturation::signals == (signal::hidden_state | signal::previous_hidden_state));
static_assert(eo::patience::signals == eo::signal_set(signal::argmax));
static_assert(eo::learn_to_exit::signals == eo::signal_set(signal::hidden_state));
static_assert(eo::agreement::signals == (signal::max_probability | signal::margin));
static_assert(eo::jei_dnn::signals.contains(signal::logits) && !eo::jei_dnn::signals.contains(signal::hidden_state));
static_assert(eo::decaying<eo::saturation>::signals == eo::saturation::signals);
static_assert(eo::fixed_layer::signals == eo::no_signals && std::is_empty_v<eo::never_exit>);
static_assert(eo::all_of<eo::margin, eo::sec_gate>::signals == (signal::margin | signal::hidden_state));

// The direction in which a threshold is conservative; a decaying one's is its gate's.
static_assert(eo::margin::direction == eo::threshold_direction::higher_is_conservative &&
              eo::entropy::direction == eo::threshold_direction::lower_is_conservative);
static_assert(eo::learn_to_exit::direction == eo::threshold_direction::lower_is_conservative);
static_assert(eo::decaying<eo::entropy>::direction == eo::threshold_direction::lower_is_conservative);

// Rollback copies states byte by byte.
static_assert(std::is_trivially_copyable_v<eo::token_state_of<eo::all_of<with_both, with_both>>>);
static_assert(std::is_trivially_copyable_v<eo::any_gate::token_state>);

// Gates and layers known at compile time are part of the policy's type.
using plan = decltype(eo::exit_plan{eo::after<5>(plain{}), eo::after<2, 3>(eo::margin{})});
static_assert(plan::deepest_layer == 5 && plan::layers().size() == 3 && plan::layers()[0] == 2);
static_assert(eo::exit_head<eo::shared_head> && !eo::exit_head<eo::margin>);
static_assert(eo::cache_policy<eo::propagate> && eo::cache_policy<eo::defer> && !eo::cache_policy<eo::margin>);
static_assert(eo::cache_policy<eo::omit>);

}  // namespace

TEST_CASE("the assertions above compile", "[static]") { SUCCEED(); }
