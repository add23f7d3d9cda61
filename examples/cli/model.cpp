// SPDX-License-Identifier: MIT
#include "model.hpp"

#include "closest.hpp"
#include "memory.hpp"
#include "progress.hpp"

#include <earlyout/io/load_cached.hpp>

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include <unistd.h>

namespace cli {

namespace {

/// Refuses a path where nothing is, where the command can say more than the library.
void check_is_there(const std::string& model) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    if (model.empty()) {
        eo::fail(eo::errc::no_such_file,
                 "--model: expected the bundled model beside the command or in examples/model of its "
                 "source tree, found none there; give --model PATH");
    }
    if (fs::exists(model, ignored)) return;
    const fs::path path(model);
    const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
    std::vector<std::string> names;
    for (fs::directory_iterator entry(parent, ignored), end; entry != end && names.size() < 10'000;
         entry.increment(ignored)) {
        names.push_back(entry->path().filename().string());
    }
    const std::string meant = closest(path.filename().string(), names);
    if (meant.empty()) return;
    eo::fail(eo::errc::no_such_file, model, ": expected a folder or file with a model, found nothing; did you mean ",
             path.has_parent_path() ? (parent / meant).string() : meant, "?");
}

/// Returns the folder of the model or, where that cannot be written to, the user's cache folder.
std::filesystem::path cache_folder(const std::string& model) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    fs::path beside = model;
    if (!fs::is_directory(beside, ignored)) beside = fs::path(model).has_parent_path() ? beside.parent_path() : ".";
    if (access(beside.c_str(), W_OK) == 0) return beside;
    if (const char* const given = std::getenv("XDG_CACHE_HOME"); given != nullptr && *given == '/') {
        return fs::path(given) / "earlyout";
    }
    if (const char* const home = std::getenv("HOME"); home != nullptr && *home == '/') {
        return fs::path(home) / ".cache" / "earlyout";
    }
    eo::fail(eo::errc::io, beside.string(),
             ": --cache: expected a folder that can be written to, or XDG_CACHE_HOME or HOME to be set, found neither");
}

}  // namespace

weight_formats formats_of(const std::string& folder, const weight_options& weights) {
    check_is_there(folder);
    const auto format = [&](const std::string& name) {
        if (name != "auto") return eo::any_format(name);
        if (std::filesystem::is_regular_file(folder)) return eo::any_format::as_stored();
        const auto files = eo::io::open_checkpoint(folder);
        return files->has_blocks() ? eo::any_format::as_stored() : eo::io::lossless_format(*files);
    };
    return {format(weights.dtype), format(weights.output_dtype.empty() ? weights.dtype : weights.output_dtype)};
}

model load(const model_options& from, const weight_options& weights, const std::string& exits) {
    const weight_formats formats = formats_of(from.folder, weights);
    require_memory_to_load(from, formats);
    progress_line line(true);
    eo::io::load_options options{.exits = exits,
                                 .access = from.no_mmap ? eo::io::file_access::copied : eo::io::file_access::mapped,
                                 .progress = loading_progress(line)};
    if (!from.cache) {
        return eo::io::load<model::network_type>(from.folder, formats.layers, formats.output, options);
    }
    return eo::io::load_cached<model::network_type>(from.folder, formats.layers, formats.output,
                                                    cache_folder(from.folder), options);
}

}  // namespace cli
