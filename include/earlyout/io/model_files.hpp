// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_MODEL_FILES_HPP
#define EARLYOUT_IO_MODEL_FILES_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/gguf_part_name.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/sidecar.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// A file that a model is read from.
struct model_file {
    std::filesystem::path path;
    std::uint64_t bytes = 0;
    std::int64_t modified = 0;  ///< in the file system's ticks
};

/// Returns the files of a model, by name: a GGUF file with all of its parts, a packed file, or a folder's weights,
/// configuration and tokenizer. Fitted exits are not among them. Files that cannot be looked at are left out.
[[nodiscard]] inline std::vector<model_file> model_files(const std::filesystem::path& model) {
    std::vector<std::filesystem::path> paths;
    std::error_code problem;
    if (!detail::is_file(model)) {
        for (std::filesystem::directory_iterator at(model, problem), end; !problem && at != end;
             at.increment(problem)) {
            const std::filesystem::path ending = at->path().extension();
            const bool one = ending == ".safetensors" || ending == ".json" || ending == ".txt";
            if (one && at->path().filename() != sidecar_name) paths.push_back(at->path());
        }
    } else if (const auto name = detail::gguf_part_name::of(model.filename().string())) {
        for (std::size_t part = 1; part <= name->count; ++part) {
            paths.push_back(model.parent_path() / name->number(part));
        }
    } else {
        paths.push_back(model);
    }
    std::ranges::sort(paths);
    std::vector<model_file> made;
    for (std::filesystem::path& path : paths) {
        const auto bytes = std::filesystem::file_size(path, problem);
        if (problem) continue;
        const auto modified = std::filesystem::last_write_time(path, problem);
        if (problem) continue;
        made.push_back({std::move(path), bytes, static_cast<std::int64_t>(modified.time_since_epoch().count())});
    }
    return made;
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
