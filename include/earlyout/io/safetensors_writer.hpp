// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_SAFETENSORS_WRITER_HPP
#define EARLYOUT_IO_SAFETENSORS_WRITER_HPP

#include <earlyout/io/safetensors.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// A tensor of any element type, to be written.
struct tensor_to_write {
    std::string name;
    std::string type;  ///< "F32", "U8"
    std::vector<std::size_t> shape;
    std::span<const std::byte> bytes;

    tensor_to_write(std::string named, std::string of_type, std::vector<std::size_t> shaped,
                    std::span<const std::byte> held);
    /// @throws error (wrong_shape) when the bytes do not match the shape
    // NOLINTNEXTLINE(google-explicit-constructor): converts for writing
    tensor_to_write(const tensor_view& t);
};

/// Returns the header of a safetensors file with these tensors, in this order: everything before their bytes. Data
/// begins at a multiple of 64 bytes.
/// @throws error (invalid_argument) when a name occurs twice or a string is not UTF-8
[[nodiscard]] std::string safetensors_header(std::span<const tensor_to_write> tensors,
                                             const safetensors::text_map& metadata = {});

/// Returns the bytes of a safetensors file with these tensors, in this order.
/// @throws error (wrong_shape) when a tensor's bytes do not match its shape, and as safetensors_header
[[nodiscard]] std::string safetensors_bytes(std::span<const tensor_view> views,
                                            const safetensors::text_map& metadata = {});

/// Writes a safetensors file. A file of that name is replaced as a whole, or, on error, unchanged; links are followed,
/// pipes and devices written to.
/// @return bytes written
/// @throws error (io) when the file cannot be written, and as safetensors_header
std::size_t write_safetensors(const std::filesystem::path& path, std::span<const tensor_to_write> tensors,
                              const safetensors::text_map& metadata = {});
/// @throws error (wrong_shape) too, when a tensor's bytes do not match its shape
std::size_t write_safetensors(const std::filesystem::path& path, std::span<const tensor_view> views,
                              const safetensors::text_map& metadata = {});

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/safetensors_writer_inl.hpp>
#endif

#endif
