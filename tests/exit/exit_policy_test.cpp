// SPDX-License-Identifier: MIT
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/heads/shared_head.hpp>

#include <limits>
#include <type_traits>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a policy consists of the given parts, or of the defaults", "[exit][exit_policy]") {
    const eo::exit_policy short_one{eo::exit_plan{eo::after<3>(eo::always_exit{})}};
    using short_type = std::remove_const_t<decltype(short_one)>;
    static_assert(std::is_same_v<short_type::head_type, eo::shared_head>);
    static_assert(std::is_same_v<short_type::cache_type, eo::propagate>);

    const eo::exit_policy whole{eo::exit_plan{}, eo::shared_head{}, eo::defer{.cap = 3, .prefill = eo::prefill::lazy}};
    CHECK(whole.cache.cap == 3);
    CHECK(whole.cache.prefill == eo::prefill::lazy);
    static_assert(eo::detail::is_exit_policy<std::remove_const_t<decltype(whole)>>);
    static_assert(!eo::detail::is_exit_policy<eo::defer>);
}

TEST_CASE("by default any number of tokens may be deferred, and none of the prompt", "[exit][exit_policy]") {
    CHECK(eo::defer{}.cap == std::numeric_limits<std::size_t>::max());
    CHECK(eo::defer{}.prefill == eo::prefill::eager);
    CHECK(eo::full_depth().plan.layers().empty());
    static_assert(eo::cache_policy<eo::defer> && eo::cache_policy<eo::propagate> && !eo::cache_policy<eo::shared_head>);
}
