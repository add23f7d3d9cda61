// SPDX-License-Identifier: MIT
// One network implementation for sizes known at run time and at compile time.
#include <earlyout/earlyout.hpp>
#include <earlyout/models/gpt2.hpp>

#include <type_traits>

#include "support/catch.hpp"
#include "support/random_network.hpp"

namespace eo = earlyout;

namespace {

constexpr eo::model_shape small{.layers = 2, .d_model = 20, .heads = 5, .vocab = 33, .context = 16};

// Without a shape everything is read from the checkpoint; with one, sizes are constants.
static_assert(eo::gpt2<>::static_shape.layers == 0);
static_assert(eo::gpt2<eo::f32, small>::static_shape.d_model == 20);

// A network is immutable: it moves, and is never copied by accident.
static_assert(std::is_nothrow_move_constructible_v<eo::gpt2<>> && !std::is_copy_constructible_v<eo::gpt2<>>);

// Without exits a session needs no policy.
using plain_session = eo::session<eo::gpt2<>>;
static_assert(std::is_constructible_v<plain_session, const eo::gpt2<>&>);
static_assert(!std::is_copy_constructible_v<plain_session>);

}  // namespace

TEST_CASE("a fixed shape computes the same bits", "[static]") {
    const eo::memory_checkpoint from = support::random_gpt2_checkpoint(small, 3);
    const auto any = eo::gpt2<>::from_checkpoint(from);
    const auto fixed = eo::gpt2<eo::f32, small>::from_checkpoint(from);
    eo::session a{any};
    eo::session b{fixed};
    const std::vector<eo::token_id> prompt{1, 2, 3};
    const eo::completion x = a.complete(prompt, {.max_new_tokens = 8});
    const eo::completion y = b.complete(prompt, {.max_new_tokens = 8});
    CHECK(x.ids == y.ids);
    CHECK(x.log_probabilities == y.log_probabilities);
}
