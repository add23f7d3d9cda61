// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_SAFETENSORS_WRITER_HPP
#define EARLYOUT_IO_SAFETENSORS_WRITER_HPP

#include <earlyout/core/checkpoint.hpp>
#include <earlyout/io/safetensors.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <system_error>

#include <unistd.h>

namespace earlyout::inline EARLYOUT_ABI {
namespace io {

/// Bytes of a safetensors file with these tensors, in this order, data aligned to 8 bytes.
/// @throws error (wrong_shape) when a tensor's bytes are not those of its shape, (invalid_argument) when a name
///         comes twice or a string is not UTF-8
[[nodiscard]] inline std::string safetensors_bytes(std::span<const tensor_view> tensors,
                                                   const safetensors::text_map& metadata = {}) {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::size_t at = 0;
    for (const tensor_view& t : tensors) {
        if (t.bytes.size() != bytes_of(t.type, t.element_count())) {
            fail(errc::wrong_shape, "tensor '", t.name, "': shape ", shape_to_string(t.shape), " does not hold ",
                 t.bytes.size(), " bytes of ", to_string(t.type));
        }
        if (header.contains(t.name)) fail(errc::invalid_argument, "tensor '", t.name, "': given twice");
        header[t.name] = {
            {"dtype", to_string(t.type)}, {"shape", t.shape}, {"data_offsets", {at, at + t.bytes.size()}}};
        at += t.bytes.size();
    }
    std::string text;
    try {
        text = header.dump();
    } catch (const nlohmann::json::exception& e) {
        fail(errc::invalid_argument, "safetensors header: ", detail::short_reason(e.what()));
    }
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::string bytes;
    bytes.reserve(8 + text.size() + at);
    for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(static_cast<std::uint64_t>(text.size()) >> (8 * i));
    bytes += text;
    for (const tensor_view& t : tensors) bytes.append(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
    return bytes;
}

/// Writes a safetensors file. A file of that name is replaced as a whole, or, when writing fails, left as it was.
/// @throws error (io) when the file cannot be written, and as safetensors_bytes
inline void write_safetensors(const std::filesystem::path& path, std::span<const tensor_view> tensors,
                              const safetensors::text_map& metadata = {}) {
    const std::string bytes = safetensors_bytes(tensors, metadata);
    std::filesystem::path partial = path;
    partial += ".partial" + std::to_string(::getpid());
    std::ofstream file(partial, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    std::error_code problem;
    if (file) std::filesystem::rename(partial, path, problem);
    if (!file || problem) {
        const std::string reason = problem ? ": " + problem.message() : std::string();
        std::filesystem::remove(partial, problem);
        fail(errc::io, path.string(), ": cannot be written", reason);
    }
}

}  // namespace io
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
