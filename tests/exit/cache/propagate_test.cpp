// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache/propagate.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("propagate is a cache policy that calls the skipped layers' propagate()", "[exit][propagate]") {
    struct {
        int* calls;
        void propagate() const { ++*calls; }
    } skipped{};
    int calls = 0;
    skipped.calls = &calls;
    eo::propagate{}.before_token(skipped);
    CHECK(calls == 1);
    static_assert(eo::cache_policy<eo::propagate>);
    CHECK(eo::propagate{}.prefill == eo::prefill::eager);
    CHECK(eo::propagate{}.cap > 1'000'000);
}
