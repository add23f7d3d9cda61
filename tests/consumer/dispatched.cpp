// SPDX-License-Identifier: MIT
// dispatched [INSTRUCTION_SET]: lanes.cpp, compiled once for each instruction set.
#include "lanes.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
    if (argc > 1) lanes.dispatcher().choose(argv[1]);
    std::printf("%zu lanes\n", lanes());
} catch (const std::exception& e) {
    std::printf("%s\n", e.what());
    return 1;
}
