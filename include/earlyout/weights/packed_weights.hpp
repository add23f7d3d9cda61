// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_PACKED_WEIGHTS_HPP
#define EARLYOUT_WEIGHTS_PACKED_WEIGHTS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/function_ref.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A weight matrix in the layout that products read (see packing.hpp), in memory owned elsewhere. It is the same on
/// every instruction set.
struct packed_weights {
    std::string format;  ///< "f32", "int8", ...
    std::size_t out = 0;
    std::size_t in = 0;
    std::shared_ptr<const std::byte> memory;  ///< aligned to 64 bytes
    std::size_t bytes = 0;
};

/// Called with each weight matrix of a network: the names of the tensors that it was filled from, that of row 0 first,
/// and the matrix as stored.
using matrix_visitor = function_ref<void(std::span<const std::string>, const packed_weights&)>;

/// Refuses packed weights that a matrix cannot attach.
/// @throws error (mismatch) for another format, (wrong_shape) for other sizes, (malformed_file) when misaligned
inline void check_packed(const packed_weights& found, std::string_view format, std::size_t out, std::size_t in,
                         std::size_t bytes) {
    if (found.format != format) {
        fail(errc::mismatch, "packed weights: expected format ", format, ", found ", found.format);
    }
    if (found.out != out || found.in != in || found.bytes != bytes) {
        fail(errc::wrong_shape, "packed weights: expected [", out, ", ", in, "] in ", bytes, " bytes, found [",
             found.out, ", ", found.in, "] in ", found.bytes);
    }
    if (reinterpret_cast<std::uintptr_t>(found.memory.get()) % 64 != 0) {
        fail(errc::malformed_file, "packed weights: expected them at a multiple of 64 bytes");
    }
}

/// Refuses packed weights with a number or group scale that is not finite.
/// @throws error (wrong_value)
inline void check_finite(bool finite) {
    if (!finite) fail(errc::wrong_value, "packed weights: expected finite numbers, found NaN or infinity");
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
