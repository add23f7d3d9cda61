// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_SAFETENSORS_WRITER_HPP
#define EARLYOUT_IO_SAFETENSORS_WRITER_HPP

#include <earlyout/io/file_writer.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// A tensor of any element type, as it is to be written.
struct tensor_to_write {
    std::string name;
    std::string type;  ///< "F32", "U8"
    std::vector<std::size_t> shape;
    std::span<const std::byte> bytes;

    tensor_to_write(std::string named, std::string of_type, std::vector<std::size_t> shaped,
                    std::span<const std::byte> held)
        : name(std::move(named)), type(std::move(of_type)), shape(std::move(shaped)), bytes(held) {}
    /// @throws error (wrong_shape) when the bytes are not those of the shape
    // NOLINTNEXTLINE(google-explicit-constructor): a tensor is one to write
    tensor_to_write(const tensor_view& t) : tensor_to_write(t.name, to_string(t.type), t.shape, t.bytes) {
        if (bytes.size() != bytes_of(t.type, t.element_count())) {
            fail(errc::wrong_shape, "tensor '", name, "': shape ", shape_to_string(shape), " does not hold ",
                 bytes.size(), " bytes of ", type);
        }
    }
};

/// What a safetensors file with these tensors, in this order, begins with: all but their bytes. Data begins at a
/// multiple of 64 bytes.
/// @throws error (invalid_argument) when a name comes twice or a string is not UTF-8
[[nodiscard]] inline std::string safetensors_header(std::span<const tensor_to_write> tensors,
                                                    const safetensors::text_map& metadata = {}) {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::size_t at = 0;
    for (const tensor_to_write& t : tensors) {
        if (header.contains(t.name)) fail(errc::invalid_argument, "tensor '", t.name, "': given twice");
        header[t.name] = {{"dtype", t.type}, {"shape", t.shape}, {"data_offsets", {at, at + t.bytes.size()}}};
        at += t.bytes.size();
    }
    std::string text;
    try {
        text = header.dump();
    } catch (const nlohmann::json::exception& e) {
        fail(errc::invalid_argument, "safetensors header: ", detail::short_reason(e.what()));
    }
    text.resize((8 + text.size() + 63) / 64 * 64 - 8, ' ');
    std::string bytes;
    for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(static_cast<std::uint64_t>(text.size()) >> (8 * i));
    return bytes + text;
}

/// Bytes of a safetensors file with these tensors, in this order.
/// @throws error (wrong_shape) when a tensor's bytes are not those of its shape, and as safetensors_header
[[nodiscard]] inline std::string safetensors_bytes(std::span<const tensor_view> views,
                                                   const safetensors::text_map& metadata = {}) {
    const std::vector<tensor_to_write> tensors(views.begin(), views.end());
    std::string bytes = safetensors_header(tensors, metadata);
    for (const tensor_to_write& t : tensors)
        bytes.append(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
    return bytes;
}

/// Writes a safetensors file. A file of that name is replaced as a whole, or, when writing fails, left as it was; links
/// are followed, pipes and devices written to.
/// @return bytes written
/// @throws error (io) when the file cannot be written, and as safetensors_header
inline std::size_t write_safetensors(const std::filesystem::path& path, std::span<const tensor_to_write> tensors,
                                     const safetensors::text_map& metadata = {}) {
    return earlyout::detail::only_errors(path.native(), [&] {
        const std::string header = safetensors_header(tensors, metadata);
        file_writer file(path);
        file.write(header);
        for (const tensor_to_write& t : tensors) file.write(t.bytes);
        file.finish();
        return file.bytes_written();
    });
}
/// @throws error (wrong_shape) too, when a tensor's bytes are not those of its shape
inline std::size_t write_safetensors(const std::filesystem::path& path, std::span<const tensor_view> views,
                                     const safetensors::text_map& metadata = {}) {
    return write_safetensors(path, std::vector<tensor_to_write>(views.begin(), views.end()), metadata);
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
