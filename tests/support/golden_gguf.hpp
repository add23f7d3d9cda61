// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_GOLDEN_GGUF_HPP
#define EARLYOUT_TESTS_SUPPORT_GOLDEN_GGUF_HPP

#include <earlyout/io/gguf.hpp>

#include <cstddef>
#include <string>
#include <vector>

#include "support/forward_pass.hpp"
#include "support/gguf.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"
#include "support/temporary_folder.hpp"

namespace support {

/// Rows of queries or keys as llama.cpp stores those of Llama: the two that are rotated together, half a head apart in
/// a folder, side by side.
inline std::vector<float> rotated_side_by_side(const std::vector<float>& values, std::size_t rows, std::size_t heads) {
    const std::size_t half = rows / heads / 2, size = values.size() / rows;
    std::vector<float> made;
    for (std::size_t r = 0; r < rows; ++r) {
        const std::size_t head = r / (2 * half), pair = r % (2 * half) / 2, side = r % 2;
        const auto row = values.begin() + static_cast<std::ptrdiff_t>(((head * 2 + side) * half + pair) * size);
        made.insert(made.end(), row, row + static_cast<std::ptrdiff_t>(size));
    }
    return made;
}

/// How far a GGUF file's logits are from the golden ones of that name, at worst.
template <class Network>
float worst_of_gguf(const gguf_builder& file, const std::string& name) {
    const temporary_folder folder;
    folder.write("m.gguf", file.bytes());
    const auto model = earlyout::io::load_gguf<Network>(folder / "m.gguf");
    const golden expected(name);
    return worst(model.network(), expected, {expected.ids.size()}, 64);
}

}  // namespace support

#endif
