// SPDX-License-Identifier: MIT
#include <earlyout/core/function_ref.hpp>

#include <memory>
#include <type_traits>

#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

int apply(eo::function_ref<int(int)> f, int x) { return f(x); }

}  // namespace

TEST_CASE("function_ref calls what it refers to", "[core][function_ref]") {
    int calls = 0;
    auto counting = [&calls, step = 1](int x) mutable {
        calls += step++;
        return 2 * x;
    };
    CHECK(apply(counting, 4) == 8);
    CHECK(apply(counting, 5) == 10);
    CHECK(calls == 3);  // the callable itself, not a copy of it
    CHECK(apply([](int x) { return x + 1; }, 1) == 2);
    const auto constant = [](int x) { return -x; };
    CHECK(apply(constant, 1) == -1);
}

TEST_CASE("function_ref passes arguments on as they are", "[core][function_ref]") {
    const auto take = [](std::unique_ptr<int> p, int& out) { out = *p; };
    const eo::function_ref<void(std::unique_ptr<int>, int&)> f = take;
    int out = 0;
    f(std::make_unique<int>(9), out);
    CHECK(out == 9);
    static_assert(std::is_trivially_copyable_v<eo::function_ref<void()>>);
    static_assert(!std::is_constructible_v<eo::function_ref<void(int)>, int>);
    static_assert(!std::is_constructible_v<eo::function_ref<int()>, decltype([](int) { return 1; })&>);
}
