// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_SIDECAR_HPP
#define EARLYOUT_IO_SIDECAR_HPP

#include <earlyout/exit/exit_weights.hpp>
#include <earlyout/io/safetensors.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// The file beside a model's weights that stores its exits. sidecar.md describes the format.
inline constexpr const char* sidecar_name = "exits.safetensors";

/// Reads exits from the contents of a sidecar.
/// @throws error (malformed_file, missing_tensor, wrong_shape, wrong_value, unsupported)
[[nodiscard]] exit_weights read_exits(const safetensors& from);

/// Reads a sidecar.
/// @throws error (no_such_file, io) and as above
[[nodiscard]] exit_weights read_exits(const std::filesystem::path& path);

/// Writes a sidecar; a file of that name is replaced as a whole.
/// @throws error (io), and what check_exits() refuses
void write_exits(const std::filesystem::path& path, const exit_weights& exits);

/// Returns true when the exits were fitted, or verified, on the network in this weight format.
[[nodiscard]] bool fitted_with(const exit_weights& exits, std::string_view format);

/// Refuses exits that are inconsistent, or were fitted to another model than this. Weight formats are checked by
/// fitted_with().
/// @throws error (mismatch) naming what differs, and what check_exits() refuses
void require_match(const exit_weights& exits, const fitted_model& model);

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/sidecar_inl.hpp>
#endif

#endif
