// SPDX-License-Identifier: MIT
#include <earlyout/generate/batched_generation.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>

#include <memory>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

TEST_CASE("sequences of a batch share policies and drafters", "[generate][batched_generation]") {
    using policy_type = decltype(eo::full_depth());
    const auto full = std::make_shared<const policy_type>(eo::full_depth());
    const auto drafter = std::make_shared<const eo::suffix_drafts>();
    using generation = eo::batched_generation<eo::gpt2<>, policy_type, eo::suffix_drafts>;
    const generation one(small_network(), full, drafter, eo::sequence(small_network().shape(), 20), 8, {});
    const generation other(small_network(), full, drafter, eo::sequence(small_network().shape(), 20), 8, {});
    CHECK(one.policy == other.policy);
    CHECK(full.use_count() == 3);
    CHECK(one.next == generation::stage::predict);
}
