// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache/defer.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("defer is a cache policy that calls the skipped layers' defer()", "[exit][defer]") {
    struct {
        int* calls;
        void defer() const { ++*calls; }
    } skipped{};
    int calls = 0;
    skipped.calls = &calls;
    eo::defer{}.before_token(skipped);
    CHECK(calls == 1);
    static_assert(eo::cache_policy<eo::defer>);
    CHECK(eo::defer{}.prefill == eo::prefill::eager);
    CHECK(eo::defer{}.cap > 1'000'000);
}
