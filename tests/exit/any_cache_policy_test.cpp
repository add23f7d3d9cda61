// SPDX-License-Identifier: MIT
#include <earlyout/exit/any_cache_policy.hpp>

#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>

#include <string>

#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

/// Records how a policy handled the layers that a token skipped.
struct noted_layers {
    std::string* done;
    void propagate() const { *done += 'p'; }
    void omit() const { *done += 'o'; }
    void defer() const { *done += 'd'; }
};

std::string done_by(const eo::any_cache_policy& policy) {
    std::string done;
    policy.before_token(noted_layers{&done});
    return done;
}

}  // namespace

TEST_CASE("any_cache_policy behaves as the one it holds", "[exit][any_cache_policy]") {
    CHECK(done_by(eo::any_cache_policy()) == "p");
    CHECK(done_by(eo::omit{}) == "o");
    const eo::any_cache_policy deferred = eo::defer{.cap = 8, .prefill = eo::prefill::lazy};
    CHECK(done_by(deferred) == "d");
    CHECK(deferred.cap == 8);
    CHECK(deferred.prefill == eo::prefill::lazy);
    CHECK(eo::any_cache_policy(eo::propagate{}).cap == eo::propagate::cap);
    static_assert(eo::cache_policy<eo::any_cache_policy>);
}
