// SPDX-License-Identifier: MIT
// Replaces libFuzzer: runs a fuzz target on the files of the folders named as arguments, each also truncated at every
// sixteenth and with bits flipped, always the same ones.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using bytes = std::vector<std::uint8_t>;

bytes read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return bytes(std::istreambuf_iterator<char>(file), {});
}

void replay(const bytes& seed) {
    LLVMFuzzerTestOneInput(seed.data(), seed.size());
    for (std::size_t part = 0; part < 16; ++part) {
        const bytes start(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(seed.size() * part / 16));
        LLVMFuzzerTestOneInput(start.data(), start.size());
    }
    if (seed.empty()) return;
    std::mt19937 engine(1);
    for (int round = 0; round < 200; ++round) {
        bytes damaged = seed;
        for (int flips = 0; flips <= round % 4; ++flips) {
            damaged[engine() % damaged.size()] ^= static_cast<std::uint8_t>(1u << engine() % 8);
        }
        LLVMFuzzerTestOneInput(damaged.data(), damaged.size());
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t seeds = 0;
    for (int folder = 1; folder < argc; ++folder) {
        for (const auto& entry : std::filesystem::directory_iterator(argv[folder])) {
            replay(read(entry.path()));
            ++seeds;
        }
    }
    std::cout << seeds << " seeds\n";
    return seeds == 0;
}
