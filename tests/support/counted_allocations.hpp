// SPDX-License-Identifier: MIT
// Counts what a piece of code allocates, in a program of which one source file replaces operator new and counts there.
#ifndef EARLYOUT_TESTS_SUPPORT_COUNTED_ALLOCATIONS_HPP
#define EARLYOUT_TESTS_SUPPORT_COUNTED_ALLOCATIONS_HPP

#include <atomic>
#include <cstddef>

namespace support {

inline std::atomic<bool> counting_allocations{false};
inline std::atomic<std::size_t> counted_allocations{0};

template <class Action>
std::size_t allocations_of(Action&& action) {
    counted_allocations = 0;
    counting_allocations = true;
    action();
    counting_allocations = false;
    return counted_allocations;
}

}  // namespace support

#endif
