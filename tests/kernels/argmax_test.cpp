// SPDX-License-Identifier: MIT
#include <earlyout/kernels/argmax.hpp>

#include <algorithm>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using support::infinity;
using support::misaligned;

namespace {

template <class Arch>
void check(const misaligned& x) {
    std::vector<float> sorted(x.data(), x.data() + x.size());
    std::sort(sorted.rbegin(), sorted.rend());
    const auto index = std::max_element(x.data(), x.data() + x.size()) - x.data();
    const eo::kernels::top_two top = eo::kernels::find_top_two(x.data(), x.size(), Arch{});
    REQUIRE(top.index == static_cast<std::size_t>(index));
    REQUIRE(top.first == sorted[0]);
    REQUIRE(top.second == (sorted.size() > 1 ? sorted[1] : -infinity));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("find_top_two agrees with sorting", "[kernels][argmax]", support::archs) {
    support::random_source random(1);
    for (std::size_t n = 1; n <= 70; ++n) {
        misaligned x(random.floats(n));
        check<TestType>(x);
        for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(random.index(4));  // many ties
        check<TestType>(x);
        for (std::size_t i = 0; i < n; ++i) x[i] = -1e30f * (1.0f + static_cast<float>(random.index(3)));
        check<TestType>(x);
        check<TestType>(misaligned(n, -infinity));
        check<TestType>(misaligned(n, 2.5f));
    }
    check<TestType>(misaligned(random.floats(50257)));
}

TEMPLATE_LIST_TEST_CASE("find_top_two: the two largest anywhere", "[kernels][argmax]", support::archs) {
    const std::size_t n = 37;
    for (std::size_t first = 0; first < n; ++first) {
        for (std::size_t second = 0; second < n; ++second) {
            misaligned x(n, -infinity);
            x[second] = -7.0f;
            x[first] = first == second ? -7.0f : -5.0f;
            check<TestType>(x);
            x[second] = x[first];  // a tie: the lower index wins
            check<TestType>(x);
        }
    }
}

TEMPLATE_LIST_TEST_CASE("index_of finds the lowest index", "[kernels][argmax]", support::archs) {
    for (const std::size_t n : {0u, 1u, 4u, 16u, 37u}) {
        misaligned x(n, 1.0f);
        REQUIRE(eo::kernels::index_of(x.data(), n, 3.0f, TestType{}) == n);
        for (std::size_t i = n; i-- > 0;) {
            x[i] = 3.0f;  // and so is each one after it
            REQUIRE(eo::kernels::index_of(x.data(), n, 3.0f, TestType{}) == i);
        }
    }
}
