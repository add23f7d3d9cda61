// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_ROUNDING_HPP
#define EARLYOUT_TESTS_SUPPORT_ROUNDING_HPP

#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/kernels/quantize.hpp>

#include <cstddef>

namespace support {

/// Rounded activations that own their memory.
class rounded_rows : earlyout::aligned_buffer<std::byte>, public earlyout::kernels::quantized_rows {
    using memory = earlyout::aligned_buffer<std::byte>;
    using rows_type = earlyout::kernels::quantized_rows;

public:
    rounded_rows(std::size_t rows, std::size_t cols)
        : memory(rows_type::bytes(rows, cols)), rows_type(memory::data(), rows, cols) {}
};

}  // namespace support

#endif
