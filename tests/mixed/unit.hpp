// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_MIXED_UNIT_HPP
#define EARLYOUT_TESTS_MIXED_UNIT_HPP

#include <earlyout/core/dispatch.hpp>

#include <stdexcept>
#include <vector>

namespace mixed {

/// How many static initializers of variants have run; main.cpp defines it.
extern int initialized;

/// A type that variants throw and main.cpp catches.
struct refusal : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Computes something in the variant's instructions; prints what it was compiled for.
EARLYOUT_DISPATCHED(compute, std::vector<float>());
/// Throws a refusal (0), the library's error (1) or one of the standard library (2).
EARLYOUT_DISPATCHED(refuse, void(int kind));

}  // namespace mixed

#endif
