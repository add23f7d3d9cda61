// SPDX-License-Identifier: MIT
#include <earlyout/generate/generation.hpp>

#include <earlyout/exit/heads/shortlist.hpp>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

TEST_CASE("a generation allocates what its policy needs", "[generate][generation]") {
    const auto full = eo::full_depth();
    const eo::generation one(small_network(), full, eo::sequence(small_network().shape(), 20));
    CHECK(one.tokens.capacity() == 20);
    CHECK(one.is_prompt);
    CHECK(one.accepted.capacity() >= 1);
    CHECK(one.shortlist_rows.out() == 0);
    const auto few = eo::exit_policy{eo::exit_plan{every_layer, hash_gate{}}, eo::shortlist<>(500)};
    const eo::generation other(small_network(), few, eo::sequence(small_network().shape(), 20));
    CHECK(other.shortlist_rows.out() == 97);  // no more than the vocabulary
}
