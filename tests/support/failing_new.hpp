// SPDX-License-Identifier: MIT
// Replaces this program's operator new by one that can be told to fail: for one source file of a program.
#ifndef EARLYOUT_TESTS_SUPPORT_FAILING_NEW_HPP
#define EARLYOUT_TESTS_SUPPORT_FAILING_NEW_HPP

#include <earlyout/core/error.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <limits>
#include <string>

#include "support/replaced_new.hpp"

namespace support {

/// Smaller ones always succeed: the JSON library allocates in its destructors, which may not throw.
inline constexpr std::size_t smallest_that_fails = 1024;

/// Allocations until one fails; the largest number: none does.
inline std::atomic<std::size_t> allocations_left{std::numeric_limits<std::size_t>::max()};

// NOLINTNEXTLINE(misc-definitions-in-headers): like the operators that call it
void* take_or_null(std::size_t size, std::size_t alignment) noexcept {
    if (size >= smallest_that_fails &&
        allocations_left.load(std::memory_order_relaxed) != std::numeric_limits<std::size_t>::max() &&
        allocations_left.fetch_sub(1) == 0) {
        return nullptr;  // later ones succeed again
    }
    return allocate(size, alignment);
}

/// Repeats an action with one allocation after the other failing: all of the first hundred, then fewer and fewer.
/// Returns an empty string if it threw `error` (out_of_memory) each time until it succeeded; else what happened.
template <class Action>
std::string without_each_allocation(Action action) {
    std::size_t failed = 0;
    for (std::size_t n = 0; n < 10'000'000; n += 1 + n / 100) {
        std::string found;
        std::size_t left = 0;
        try {
            allocations_left = n;
            action();
            left = allocations_left.exchange(std::numeric_limits<std::size_t>::max());
            // No allocation failed, or one was not needed: below 0 the count wraps.
            if (left <= n) return failed == 0 ? "nothing failed" : "";
        } catch (const earlyout::error& e) {
            allocations_left = std::numeric_limits<std::size_t>::max();
            if (e.code() != earlyout::errc::out_of_memory || *e.what() == '\0') found = e.what();
            ++failed;
        } catch (const std::exception& e) {
            allocations_left = std::numeric_limits<std::size_t>::max();
            found = std::string("another exception: ") + e.what();
        }
        if (!found.empty()) return "allocation " + std::to_string(n) + ": " + found;
    }
    return "it never had enough";
}

}  // namespace support

#endif
