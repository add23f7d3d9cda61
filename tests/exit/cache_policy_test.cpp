// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache_policy.hpp>

#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

struct own_policy {
    eo::prefill prefill = eo::prefill::lazy;
    std::size_t cap = 3;
    void before_token(const auto& skipped) const { skipped.defer(); }
};
struct no_cap {
    eo::prefill prefill = eo::prefill::lazy;
    void before_token(const auto& skipped) const { skipped.defer(); }
};

}  // namespace

TEST_CASE("what a cache policy is", "[exit][cache_policy]") {
    static_assert(eo::cache_policy<eo::propagate> && eo::cache_policy<eo::defer> && eo::cache_policy<eo::omit>);
    static_assert(eo::cache_policy<own_policy>);
    static_assert(!eo::cache_policy<no_cap> && !eo::cache_policy<int>);
    CHECK(own_policy{}.cap == 3);
}
