// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_CONSUMER_LANES_HPP
#define EARLYOUT_TESTS_CONSUMER_LANES_HPP

#include <earlyout/core/dispatch.hpp>

#include <cstddef>

/// How many floats a register has.
EARLYOUT_DISPATCHED(lanes, std::size_t());

#endif
