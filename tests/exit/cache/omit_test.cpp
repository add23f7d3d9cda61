// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache/omit.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("omit is a cache policy that calls the skipped layers' omit()", "[exit][omit]") {
    struct {
        int* calls;
        void omit() const { ++*calls; }
    } skipped{};
    int calls = 0;
    skipped.calls = &calls;
    eo::omit{}.before_token(skipped);
    CHECK(calls == 1);
    static_assert(eo::cache_policy<eo::omit>);
    CHECK(eo::omit{}.prefill == eo::prefill::eager);
    CHECK(eo::omit{}.cap > 1'000'000);
}
