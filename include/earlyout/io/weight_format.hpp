// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_WEIGHT_FORMAT_HPP
#define EARLYOUT_IO_WEIGHT_FORMAT_HPP

#include <earlyout/io/stored_checkpoint.hpp>
#include <earlyout/kernels/any_format.hpp>

#include <string>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Returns the smallest lossless weight format: see stored_checkpoint.
[[nodiscard]] inline any_format lossless_format(const stored_checkpoint& from) {
    return any_format(from.lossless_format());
}

/// Returns the weight format that exits fitted to this checkpoint in `format` record: a lossless format
/// counts as f32.
[[nodiscard]] inline std::string computed_format(const stored_checkpoint& from, std::string_view format) {
    return std::string(format == lossless_format(from).name() ? f32::name : format);
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
