// SPDX-License-Identifier: MIT
// What main.cpp, which every processor runs, and completer.cpp, compiled once for each instruction set, agree on. No
// type of the library is in it but the macro's: those of different instruction sets are different types.
#ifndef EARLYOUT_EXAMPLES_DISPATCHED_COMPLETER_HPP
#define EARLYOUT_EXAMPLES_DISPATCHED_COMPLETER_HPP

#include <earlyout/core/dispatch.hpp>

#include <memory>
#include <string>

/// Continues texts.
class completer {
public:
    virtual ~completer() = default;
    /// @throws std::exception
    virtual std::string complete(const std::string& prompt) = 0;
};

EARLYOUT_DISPATCHED(make_completer, std::unique_ptr<completer>(const std::string& model));

#endif
