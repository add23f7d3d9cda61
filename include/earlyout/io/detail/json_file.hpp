// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_JSON_FILE_HPP
#define EARLYOUT_IO_DETAIL_JSON_FILE_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/mapped_file.hpp>

#include <filesystem>
#include <string>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io { namespace detail {

/// Reads a JSON file whose outermost value is an object.
/// @throws error (no_such_file, malformed_file)
[[nodiscard]] inline json read_json_object(const std::filesystem::path& path) {
    const mapped_file file(path);
    json parsed = parse_json(file.text(), file.path(), repeated_key::last_counts);
    if (!parsed.is_object()) {
        fail(errc::malformed_file, file.path(), ": expected a JSON object, found ", parsed.type_name());
    }
    if (const auto error = parsed.find("error"); parsed.size() <= 2 && error != parsed.end() && error->is_string()) {
        fail(errc::malformed_file, file.path(),
             ": expected a model's file, found the saved response of a failed download: '", error->get<std::string>(),
             "'");
    }
    return parsed;
}

}  // namespace detail

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
