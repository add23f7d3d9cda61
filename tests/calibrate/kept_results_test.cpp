// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/kept_results.hpp>

#include <atomic>
#include <cstddef>
#include <stop_token>
#include <vector>

#include "calibrate/memory_results.hpp"
#include "calibrate/thread_workers.hpp"
#include "support/catch.hpp"

namespace calibrate = earlyout::calibrate;

TEST_CASE("a result is computed once and then found", "[calibrate][kept_results]") {
    support::memory_results kept;
    calibrate::monitor watch{};
    int computed = 0;
    const auto compute = [&] { return std::vector<int>{1, 2, ++computed}; };
    for (const bool is_shared : {false, true}) {
        computed = 0;
        watch.kept = nullptr;
        const auto get = [&](const char* name) {
            return is_shared ? calibrate::shared_or_computed(watch, name, compute)
                             : calibrate::kept_or_computed(watch, name, compute);
        };
        CHECK(get("a") == std::vector{1, 2, 1});
        CHECK(get("a") == std::vector{1, 2, 2});
        watch.kept = &kept;
        const char* const first = is_shared ? "b" : "c";
        CHECK(get(first) == std::vector{1, 2, 3});
        CHECK(get(first) == std::vector{1, 2, 3});
        CHECK(computed == 3);
        CHECK(get(is_shared ? "d" : "e") == std::vector{1, 2, 4});
    }
    CHECK(kept.size() == 4);
}

TEST_CASE("what a cancelled calculation computes is not kept", "[calibrate][kept_results]") {
    support::memory_results kept;
    std::stop_source stop;
    const calibrate::monitor watch{.cancel = stop.get_token(), .kept = &kept};
    const auto give_up_in_between = [&] {
        stop.request_stop();
        return 1;
    };
    CHECK(calibrate::kept_or_computed(watch, "a", give_up_in_between) == 1);
    CHECK(calibrate::shared_or_computed(watch, "b", give_up_in_between) == 1);
    CHECK(kept.size() == 0);
}

TEST_CASE("of several processes the first looks a shared result up and keeps it", "[calibrate][kept_results]") {
    support::memory_results kept;
    std::atomic<int> computed = 0;
    for (const int expected : {3, 3}) {
        std::vector<int> found(3);
        support::run_workers(3, [&](calibrate::workers& own) {
            const calibrate::monitor watch{.among = &own, .kept = &kept};
            found[own.rank()] = calibrate::shared_or_computed(watch, "shared", [&] {
                ++computed;
                return 7;
            });
        });
        CHECK(found == std::vector{7, 7, 7});
        CHECK(computed == expected);  // by all of them, once
    }
    CHECK(kept.kept == 1);
    CHECK(kept.found == 1);
}
