// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_BYTES_HPP
#define EARLYOUT_EXAMPLES_CLI_BYTES_HPP

#include <earlyout/core/error.hpp>

#include <cstdint>
#include <iomanip>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

namespace cli {

namespace eo = earlyout;

/// "12.3 MB", below 0.1 MB "12.3 kB", from 10 GB "12.3 GB"
[[nodiscard]] inline std::string megabytes(double bytes) {
    std::ostringstream out;
    out << std::fixed << std::setprecision(1);
    if (bytes < 1e5) {
        out << bytes / 1e3 << " kB";
    } else if (bytes < 1e10) {
        out << bytes / 1e6 << " MB";
    } else {
        out << bytes / 1e9 << " GB";
    }
    return std::move(out).str();
}

/// Refuses what does not fit into the memory that is left. Where the system does not say how much that is, everything
/// fits.
/// @param what   what it is for: "weights in f32"
/// @param advice what would take less; empty: nothing
/// @throws earlyout::error (out_of_memory)
inline void require_memory(const std::string& source, const std::string& what, double bytes,
                           std::optional<std::uint64_t> available, const std::string& advice) {
    if (!available || bytes <= static_cast<double>(*available)) return;
    eo::fail(eo::errc::out_of_memory, source, ": ", what, ": expected ", megabytes(bytes), " of free memory, found ",
             megabytes(static_cast<double>(*available)), advice.empty() ? "" : "; ", advice);
}

}  // namespace cli

#endif
