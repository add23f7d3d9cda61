// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_PACKED_WRITER_HPP
#define EARLYOUT_IO_PACKED_WRITER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/load_from.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/io/load_options.hpp>
#include <earlyout/io/stored_checkpoint.hpp>
#include <earlyout/weights/checkpoint_record.hpp>
#include <earlyout/weights/packed_weights.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {
namespace detail {

/// The parts of a network that a packed file stores.
struct network_to_write {
    const checkpoint_record& read;
    std::map<std::string, packed_weights> matrices;  // by the tensor of row 0
    std::set<std::string, std::less<>> in_matrices;  // tensors stored in them
};

[[nodiscard]] std::size_t write_packed(const std::filesystem::path& path, const stored_checkpoint& from,
                                       const network_to_write& network);

}  // namespace detail

/// Writes a network as one packed file: its matrices as stored in memory, with all else it read of its checkpoint. A
/// file of that name is replaced as a whole, or, on error, unchanged; links are followed, pipes and devices written to.
/// @param from the checkpoint that the network was read from: a Hugging Face folder or a GGUF file
/// @return bytes written
/// @throws error as read_text(), (unsupported) for a packed file, and (io) when the file cannot be written
template <class Network>
std::size_t write_packed(const std::filesystem::path& path, const stored_checkpoint& from, const Network& network) {
    detail::network_to_write parts{.read = network.read_from(), .matrices = {}, .in_matrices = {}};
    network.visit_matrices([&](std::span<const std::string> names, const packed_weights& matrix) {
        if (names.empty()) {
            fail(errc::invalid_argument, from.source(), ": expected a network that was read from it, found a matrix ",
                 "that was filled otherwise");
        }
        parts.matrices.emplace(names.front(), matrix);
        parts.in_matrices.insert(names.begin(), names.end());
    });
    return detail::write_packed(path, from, parts);
}

/// Reads a model and writes it as one packed file, its matrices in the formats given.
/// @tparam Network an architecture, or any_model
/// @param model a Hugging Face folder or a GGUF file
/// @param options how it is read
/// @return bytes written
/// @throws error as load(), and as write_packed() of a network
template <class Network>
std::size_t write_packed(const std::filesystem::path& path, const std::filesystem::path& model,
                         typename Network::format format, typename Network::format output_format,
                         const load_options& options = {}) try {
    const std::unique_ptr<stored_checkpoint> from = open_checkpoint(model, options.access);
    if (from->is_packed()) {
        fail(errc::unsupported, from->source(), ": expected a Hugging Face folder or a GGUF file, found a packed file");
    }
    return write_packed(path, *from, detail::read_network<Network>(*from, format, output_format, options));
} catch (...) {
    earlyout::detail::rethrow_as_error(platform::path_text(model));
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/packed_writer_inl.hpp>
#endif

#endif
