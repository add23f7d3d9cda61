// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_EXIT_WEIGHTS_FOR_MODEL_HPP
#define EARLYOUT_TESTS_EXIT_WEIGHTS_FOR_MODEL_HPP

#include <earlyout/exit/exit_weights.hpp>

#include <cstddef>

namespace support {

/// Returns exit weights without tensors, as if read from exits.safetensors.
inline earlyout::exit_weights weights_for_model(std::size_t layers, std::size_t d_model, std::size_t vocab) {
    earlyout::exit_weights weights("exits.safetensors");
    weights.set_model({layers, d_model, vocab, "0123456789abcdef", "f32"});
    return weights;
}

}  // namespace support

#endif
