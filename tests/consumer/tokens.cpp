// SPDX-License-Identifier: MIT
// tokenizer MODEL TEXT: a text's tokens, one a line. It needs every dependency, and compiles in a third of the time
// that main.cpp takes.
#include <earlyout/io/tokenizer_file.hpp>
#include <earlyout/kernels/simd.hpp>

#include <exception>
#include <filesystem>
#include <iostream>

namespace eo = earlyout;

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: tokenizer MODEL TEXT\n";
        return 2;
    }
    const auto words = eo::io::load_tokenizer(std::filesystem::path(argv[1]) / "tokenizer.json");
    for (const eo::token_id id : words.encode(argv[2])) std::cout << words.piece(id) << '\n';
    std::cout << eo::kernels::lanes<eo::default_arch> << " lanes\n";
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
