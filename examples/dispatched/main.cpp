// SPDX-License-Identifier: MIT
// dispatched [INSTRUCTION_SET]: one program for all x86-64 processors. CMakeLists.txt has
// earlyout_add_dispatched(TARGET completer.cpp ISAS sse2 avx2 avx512 avx512vnni amx).
#include "completer.hpp"

#include <exception>
#include <iostream>
#include <memory>

int main(int argc, char** argv) try {
    // The widest that the processor and its system run, unless the program says otherwise.
    if (argc > 1) make_completer.dispatcher().choose(argv[1]);
    const std::unique_ptr<completer> made = make_completer("examples/model");
    std::cout << made->complete("import os\nimport ") << '\n';
} catch (const std::exception& e) {
    std::cout << e.what() << '\n';
    return 1;
}
