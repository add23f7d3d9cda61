// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_LOAD_CACHED_HPP
#define EARLYOUT_IO_LOAD_CACHED_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/platform.hpp>
#include <earlyout/io/fingerprint.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/io/load_options.hpp>
#include <earlyout/io/model_files.hpp>
#include <earlyout/io/packed_writer.hpp>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// Returns where a model is kept packed in these formats: NAME.FORMATS.PLACE.STATE.packed in a folder. PLACE is a hash
/// of the model's absolute path; STATE one of name, size and time of change of each of its files, so that no changed
/// model meets an old file.
/// @param formats such as "int8", or "int4+int8" for layers and output matrix
[[nodiscard]] inline std::filesystem::path cached_path(const std::filesystem::path& model,
                                                       const std::filesystem::path& folder, std::string_view formats) {
    std::error_code ignored;
    const std::filesystem::path absolute = std::filesystem::weakly_canonical(model, ignored);
    fingerprint place, state;
    place.add_text(platform::path_text(absolute));
    for (const model_file& file : model_files(model)) {
        state.add_text(platform::path_text(file.path.filename()));
        state.add_text(std::to_string(file.bytes));
        state.add_text(std::to_string(file.modified));
    }
    const std::filesystem::path name = detail::is_file(model) ? absolute.stem() : absolute.filename();
    return folder / (name.string() + "." + std::string(formats) + "." + place.text() + "." + state.text() + ".packed");
}

namespace detail {

/// Removes the packed files of earlier states of a model: those that differ in the state alone.
inline void remove_outdated(const std::filesystem::path& current) {
    constexpr std::size_t end = std::string_view(".packed").size(), state = 16;
    const std::string name = current.filename().string();
    const std::string_view before = std::string_view(name).substr(0, name.size() - end - state);
    std::vector<std::filesystem::path> outdated;
    std::error_code problem;
    for (std::filesystem::directory_iterator at(current.parent_path(), problem), last; !problem && at != last;
         at.increment(problem)) {
        const std::string other = at->path().filename().string();
        if (other == name || other.size() != name.size() || !other.starts_with(before) || !other.ends_with(".packed")) {
            continue;
        }
        const std::string_view digits = std::string_view(other).substr(before.size(), state);
        if (digits.find_first_not_of("0123456789abcdef") == digits.npos) outdated.push_back(at->path());
    }
    for (const std::filesystem::path& path : outdated) platform::remove_file(path.c_str());
}

}  // namespace detail

/// Loads a model as load() does and keeps it packed in a folder, see cached_path(): the next call, of any program, maps
/// that file. It is written anew when the model has changed, or when it is damaged or of another version; files of
/// earlier states of the model are then removed. A packed file is loaded as it is.
/// @param folder is created if it does not exist
/// @throws error as load() and write_packed()
template <class Network>
[[nodiscard]] pretrained<Network> load_cached(const std::filesystem::path& model, typename Network::format format,
                                              typename Network::format output_format,
                                              const std::filesystem::path& folder, load_options options = {}) try {
    const std::unique_ptr<stored_checkpoint> from = open_checkpoint(model, options.access);
    if (from->is_packed()) return load<Network>(model, format, output_format, options);
    std::string formats = format.name();
    if (formats != output_format.name()) formats.append("+").append(output_format.name());
    const std::filesystem::path path = cached_path(model, folder, formats);
    if (options.exits.empty() && detail::exists(sidecar_path(from->path()))) options.exits = sidecar_path(from->path());
    if (detail::is_file(path)) {
        try {
            return load_packed<Network>(path, format, output_format, options);
        } catch (const error& e) {
            // Written anew below: it was cut off, or written by another version.
            if (e.code() != errc::malformed_file && e.code() != errc::unsupported) throw;
        }
    }
    std::error_code problem;
    std::filesystem::create_directories(folder, problem);
    if (problem) fail(errc::io, folder.string(), ": cannot be created: ", problem.message());
    (void)write_packed(path, *from, detail::read_network<Network>(*from, format, output_format, options));
    detail::remove_outdated(path);
    options.progress = nullptr;
    return load_packed<Network>(path, format, output_format, options);
} catch (...) {
    earlyout::detail::rethrow_as_error(platform::path_text(model));
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
