// SPDX-License-Identifier: MIT
#include <earlyout/core/executor.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

/// Claims to have threads and runs pieces backwards.
class backwards final : public eo::executor {
public:
    explicit backwards(std::size_t threads) : threads_(threads) {}
    std::size_t concurrency() const noexcept override { return threads_; }
    void run(std::size_t pieces, eo::function_ref<void(std::size_t)> body) override {
        ++runs;
        while (pieces > 0) body(--pieces);
    }
    int runs = 0;

private:
    std::size_t threads_;
};

struct split {
    std::size_t pieces = 0;
    std::vector<int> covered;
    std::size_t shortest = 0;
};

split split_of(eo::executor& on, std::size_t count, std::size_t grain) {
    split s{0, std::vector<int>(count), count};
    std::vector<bool> numbers(10000);
    eo::parallel_for(on, count, grain, [&](std::size_t piece, std::size_t begin, std::size_t end) {
        CHECK_FALSE(numbers[piece]);
        numbers[piece] = true;
        ++s.pieces;
        s.shortest = std::min(s.shortest, end - begin);
        for (std::size_t i = begin; i < end; ++i) ++s.covered[i];
    });
    for (std::size_t i = 0; i < s.pieces; ++i) CHECK(numbers[i]);
    return s;
}

}  // namespace

TEST_CASE("inline_executor runs every piece in order", "[core][executor]") {
    eo::inline_executor on;
    std::vector<std::size_t> seen;
    on.run(4, [&](std::size_t piece) { seen.push_back(piece); });
    on.run(0, [&](std::size_t) { seen.push_back(99); });
    CHECK(seen == std::vector<std::size_t>{0, 1, 2, 3});
    CHECK(on.concurrency() == 1);
}

TEST_CASE("parallel_for covers each item once, in pieces no smaller than the grain", "[core][executor]") {
    for (const std::size_t threads : {1u, 2u, 3u, 16u}) {
        for (const std::size_t count : {0u, 1u, 2u, 7u, 63u, 64u, 1000u}) {
            for (const std::size_t grain : {1u, 8u, 100u}) {
                backwards on(threads);
                const split s = split_of(on, count, grain);
                CAPTURE(threads, count, grain);
                CHECK(s.covered == std::vector<int>(count, 1));
                CHECK(s.pieces <= threads * eo::pieces_per_thread);
                if (s.pieces > 1) CHECK(s.shortest >= grain);
                // Too little work to split: one piece.
                if (threads == 1 || count < 2 * grain) {
                    CHECK(s.pieces == (count == 0 ? 0 : 1));
                    CHECK(on.runs == 0);
                } else {
                    CHECK(on.runs == 1);
                }
            }
        }
    }
    backwards two(2);
    CHECK(split_of(two, 1000, 1).pieces == 2 * eo::pieces_per_thread);
}

TEST_CASE("what the lowest piece throws is thrown after all have run", "[core][executor]") {
    backwards on(2);
    std::vector<int> covered(80);
    const auto throwing = [&](std::size_t from) {
        eo::parallel_for_throwing(on, covered.size(), 1, [&](std::size_t, std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) ++covered[i];
            if (begin >= from) throw begin;
        });
    };
    throwing(80);
    CHECK(covered == std::vector<int>(80, 1));
    std::size_t caught = 0;
    try {
        throwing(30);
    } catch (std::size_t begin) {
        caught = begin;
    }
    CHECK(caught == 30);
    CHECK(covered == std::vector<int>(80, 2));
}
