// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

#include <pthread.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#endif

namespace eo = earlyout;

namespace {

/// Returns true when two pieces ran at the same time: each waited for the other, with a timeout.
bool two_meet(eo::thread_pool& pool) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::atomic<int> inside{0};
    std::atomic<int> met{0};
    pool.run(2, [&](std::size_t) {
        ++inside;
        while (inside.load() < 2 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
        if (inside.load() == 2) ++met;
    });
    return met == 2;
}

}  // namespace

TEST_CASE("every piece runs once and has finished when run returns", "[core][thread_pool]") {
    for (const std::size_t threads : {1u, 2u, 3u, 8u}) {
        eo::thread_pool pool(threads);
        CHECK(pool.concurrency() == threads);
        // Written without locks: run orders the pieces' writes before its return.
        std::vector<int> runs(257);
        for (int round = 1; round <= 300; ++round) {
            const std::size_t pieces = static_cast<std::size_t>(round) % runs.size();
            pool.run(pieces, [&](std::size_t piece) { ++runs[piece]; });
        }
        std::vector<int> expected(257);
        for (int round = 1; round <= 300; ++round) {
            for (std::size_t i = 0; i < static_cast<std::size_t>(round) % runs.size(); ++i) ++expected[i];
        }
        CHECK(runs == expected);
    }
}

TEST_CASE("pieces run concurrently", "[core][thread_pool]") {
    eo::thread_pool two(2);
    CHECK(two_meet(two));
    eo::thread_pool eight(8);
    CHECK(two_meet(eight));
}

TEST_CASE("the caller waits for a slow piece on another thread", "[core][thread_pool]") {
    eo::thread_pool pool(2);
    const std::thread::id caller = std::this_thread::get_id();
    std::atomic<int> inside{0};
    bool over = false;
    pool.run(2, [&](std::size_t) {
        ++inside;
        while (inside.load() < 2) std::this_thread::yield();
        if (std::this_thread::get_id() == caller) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        over = true;
    });
    CHECK(over);
}

TEST_CASE("sleeping threads wake up, and idle ones stop", "[core][thread_pool]") {
    eo::thread_pool pool(3);
    std::atomic<int> runs{0};
    for (int round = 0; round < 3; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        CHECK(two_meet(pool));
        pool.run(12, [&](std::size_t) { ++runs; });
    }
    CHECK(runs == 36);
    for (int i = 0; i < 50; ++i) {
        eo::thread_pool unused(4);
        eo::thread_pool used(2);
        used.run(5, [&](std::size_t) { ++runs; });
    }
    CHECK(runs == 36 + 250);
}

TEST_CASE("a pool serves one caller after another, and two pools at once", "[core][thread_pool]") {
    eo::thread_pool shared(2);
    int total = 0;
    for (int caller = 0; caller < 5; ++caller) {
        std::thread([&] {
            std::vector<int> parts(16);
            shared.run(16, [&](std::size_t piece) { parts[piece] = 1; });
            for (const int part : parts) total += part;
        }).join();
    }
    CHECK(total == 80);

    std::atomic<int> runs{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 2; ++caller) {
        callers.emplace_back([&] {
            eo::thread_pool own(2);
            for (int round = 0; round < 100; ++round) own.run(8, [&](std::size_t) { ++runs; });
        });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK(runs == 1600);
}

TEST_CASE("a pool outlives any number of jobs", "[core][thread_pool]") {
    eo::thread_pool pool(2);
    // More jobs than the counter that tells them apart can number; its thread joins in all along.
    std::vector<int> runs(2);
    bool joins_in = true;
    for (int round = 0; round < 300'000 && joins_in; ++round) {
        pool.run(2, [&](std::size_t piece) { ++runs[piece]; });
        if (round % 10'000 == 0) joins_in = two_meet(pool);
    }
    CHECK(joins_in);
    CHECK(runs == std::vector<int>(2, 300'000));
}

TEST_CASE("a pool needs a sensible number of threads", "[core][thread_pool]") {
    for (const std::size_t threads : {std::size_t{0}, std::size_t{1025}}) {
        CHECK(support::error_of([&] { eo::thread_pool pool(threads); }) ==
              support::thrown(eo::errc::invalid_argument, {"threads", "1 .. 1024", std::to_string(threads)}));
    }
}

#if defined(__GLIBC__)
TEST_CASE("threads that the system does not start are an error", "[core][thread_pool]") {
    pthread_attr_t usual, greedy;
    REQUIRE(pthread_getattr_default_np(&usual) == 0);
    REQUIRE(pthread_attr_init(&greedy) == 0);
    REQUIRE(pthread_attr_setstacksize(&greedy, std::size_t{1} << 47) == 0);  // more than there are addresses
    REQUIRE(pthread_setattr_default_np(&greedy) == 0);
    const auto found = support::error_of([] { eo::thread_pool pool(3); });
    REQUIRE(pthread_setattr_default_np(&usual) == 0);
    CHECK(found == support::thrown(eo::errc::io, {"threads", "expected 3", "started 0", "unavailable"}));
    pthread_attr_destroy(&greedy);
    pthread_attr_destroy(&usual);
}
#endif

#if defined(__linux__)
TEST_CASE("threads run where they are placed, the caller's stays as it is", "[core][thread_pool]") {
    cpu_set_t allowed;
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    std::vector<std::size_t> processors;
    for (std::size_t i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(i, &allowed)) processors.push_back(i);
    }
    const std::size_t last = processors.back();
    eo::thread_pool pool(3, {.processors = {last}, .niceness = 5});
    std::atomic<int> placed{0};
    const std::thread::id caller = std::this_thread::get_id();
    for (int i = 0; i < 200 && placed == 0; ++i) {
        pool.run(64, [&](std::size_t) {
            if (std::this_thread::get_id() == caller) {
                std::this_thread::sleep_for(std::chrono::microseconds(50));
                return;
            }
            cpu_set_t own;
            const bool is_bound = sched_getaffinity(0, sizeof own, &own) == 0 && CPU_COUNT(&own) == 1;
            if (is_bound && CPU_ISSET(last, &own) && getpriority(PRIO_PROCESS, 0) == 5) ++placed;
        });
    }
    CHECK(placed > 0);
    cpu_set_t now;
    REQUIRE(sched_getaffinity(0, sizeof now, &now) == 0);
    CHECK(CPU_EQUAL(&now, &allowed));
    CHECK(getpriority(PRIO_PROCESS, 0) < 5);

    std::thread([&] {
        eo::place_this_thread({.processors = {last}});
        cpu_set_t own;
        CHECK(sched_getaffinity(0, sizeof own, &own) == 0);
        CHECK(CPU_COUNT(&own) == 1);
    }).join();
}

TEST_CASE("a place that does not exist is refused", "[core][thread_pool]") {
    const auto pool = [](eo::thread_placement placement) {
        return support::error_of([&] { eo::thread_pool(3, placement); });
    };
    CHECK(pool({.processors = {100'000}}) == support::thrown(eo::errc::io, {"processors", "processor 100000"}));
    CHECK(pool({.niceness = 20}) == support::thrown(eo::errc::invalid_argument, {"niceness", "0 .. 19", "20"}));
}
#endif
