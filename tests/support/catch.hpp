// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_CATCH_HPP
#define EARLYOUT_TESTS_SUPPORT_CATCH_HPP

// Catch2 2 and 3 spell their headers differently; tests include this one.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#endif
