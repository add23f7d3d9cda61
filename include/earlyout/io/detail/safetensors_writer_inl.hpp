// SPDX-License-Identifier: MIT
// What safetensors_writer.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_SAFETENSORS_WRITER_INL_HPP
#define EARLYOUT_IO_DETAIL_SAFETENSORS_WRITER_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/file_writer.hpp>
#include <earlyout/io/safetensors.hpp>
#include <earlyout/io/safetensors_writer.hpp>
#include <earlyout/weights/checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

EARLYOUT_IO_INLINE tensor_to_write::tensor_to_write(std::string named, std::string of_type,
                                                    std::vector<std::size_t> shaped, std::span<const std::byte> held)
    : name(std::move(named)), type(std::move(of_type)), shape(std::move(shaped)), bytes(held) {}

EARLYOUT_IO_INLINE tensor_to_write::tensor_to_write(const tensor_view& t)
    : tensor_to_write(t.name, to_string(t.type), t.shape, t.bytes) {
    if (bytes.size() != bytes_of(t.type, t.element_count())) {
        fail(errc::wrong_shape, "tensor '", name, "': shape ", shape_to_string(shape), " does not hold ", bytes.size(),
             " bytes of ", type);
    }
}

EARLYOUT_IO_INLINE std::string safetensors_header(std::span<const tensor_to_write> tensors,
                                                  const safetensors::text_map& metadata) {
    // Written by hand: tensors keep the given order, and a second kind of JSON object would add seconds to every
    // program's compile time.
    std::set<std::string, std::less<>> names;
    std::string text;
    const auto add = [&](const std::string& name, const std::string& value) {
        if (!names.insert(name).second) fail(errc::invalid_argument, "tensor '", name, "': given twice");
        text.append(text.empty() ? "{" : ",").append(detail::json(name).dump()).append(":").append(value);
    };
    try {
        if (!metadata.empty()) add("__metadata__", detail::json(metadata).dump());
        std::size_t at = 0;
        for (const tensor_to_write& t : tensors) {
            const std::size_t end = at + t.bytes.size();
            add(t.name, std::string("{\"dtype\":")
                            .append(detail::json(t.type).dump())
                            .append(",\"shape\":")
                            .append(detail::json(t.shape).dump())
                            .append(",\"data_offsets\":[")
                            .append(std::to_string(at))
                            .append(",")
                            .append(std::to_string(end))
                            .append("]}"));
            at = end;
        }
    } catch (const detail::json::exception& e) {
        fail(errc::invalid_argument, "safetensors header: ", detail::short_reason(e.what()));
    }
    text.append(text.empty() ? "{}" : "}");
    text.resize((8 + text.size() + 63) / 64 * 64 - 8, ' ');
    std::string bytes;
    for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(static_cast<std::uint64_t>(text.size()) >> (8 * i));
    return bytes + text;
}

EARLYOUT_IO_INLINE std::string safetensors_bytes(std::span<const tensor_view> views,
                                                 const safetensors::text_map& metadata) {
    const std::vector<tensor_to_write> tensors(views.begin(), views.end());
    std::string bytes = safetensors_header(tensors, metadata);
    for (const tensor_to_write& t : tensors)
        bytes.append(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
    return bytes;
}

EARLYOUT_IO_INLINE std::size_t write_safetensors(const std::filesystem::path& path,
                                                 std::span<const tensor_to_write> tensors,
                                                 const safetensors::text_map& metadata) {
    return earlyout::detail::only_errors(platform::path_text(path), [&] {
        const std::string header = safetensors_header(tensors, metadata);
        file_writer file(path);
        file.write(header);
        for (const tensor_to_write& t : tensors) file.write(t.bytes);
        file.finish();
        return file.bytes_written();
    });
}

EARLYOUT_IO_INLINE std::size_t write_safetensors(const std::filesystem::path& path, std::span<const tensor_view> views,
                                                 const safetensors::text_map& metadata) {
    return write_safetensors(path, std::vector<tensor_to_write>(views.begin(), views.end()), metadata);
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
