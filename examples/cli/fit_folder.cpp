// SPDX-License-Identifier: MIT
#include "fit_folder.hpp"

#include <earlyout/core/error.hpp>
#include <earlyout/io/file_writer.hpp>
#include <earlyout/io/fingerprint.hpp>
#include <earlyout/io/mapped_file.hpp>

#include <fstream>
#include <string_view>
#include <system_error>

namespace cli {

namespace {

namespace eo = earlyout;
namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

constexpr std::string_view settings_name = "settings.json";
constexpr std::string_view suffix = ".result";

std::string hash_of(std::string_view text) {
    eo::io::fingerprint hash;
    hash.add_text(text);
    return hash.text();
}
std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Returns the files of a folder.
std::vector<fs::path> files_in(const fs::path& folder) {
    std::vector<fs::path> found;
    std::error_code problem;
    for (fs::directory_iterator at(folder, problem), end; !problem && at != end; at.increment(problem)) {
        found.push_back(at->path());
    }
    return found;
}

/// Refuses settings that are not those that a fit was begun with.
void require_same(const fs::path& file, const json& settings) {
    std::ifstream in(file);
    const json begun = json::parse(in, nullptr, false);
    if (!begun.is_object()) {
        eo::fail(eo::errc::malformed_file, file.string(), ": expected the settings of a fit, found something else");
    }
    for (const auto& [name, value] : settings.items()) {
        const auto was = begun.find(name);
        if (was != begun.end() && *was == value) continue;
        eo::fail(eo::errc::mismatch, file.string(), ": '", name, "': expected ",
                 was != begun.end() ? was->dump() : "nothing", ", with which this fit was begun, found ", value.dump(),
                 "; go on with the same, or give another --checkpoint");
    }
}

}  // namespace

fit_folder::fit_folder(const fs::path& folder, const json& settings, bool writes) : folder_(folder) {
    const fs::path file = folder_ / settings_name;
    std::error_code problem;
    if (writes && !fs::exists(file, problem)) {
        if (fs::exists(folder_, problem) && (!fs::is_directory(folder_, problem) || !fs::is_empty(folder_, problem))) {
            eo::fail(eo::errc::io, folder_.string(),
                     ": --checkpoint: expected a folder that a fit was kept in, an empty one or none, found another");
        }
        fs::create_directories(folder_, problem);
        if (problem) eo::fail(eo::errc::io, folder_.string(), ": --checkpoint: ", problem.message());
        eo::io::file_writer out(file);
        out.write(settings.dump(1) + "\n");
        out.finish();
    }
    if (!writes) return;
    require_same(file, settings);
    for (const fs::path& path : files_in(folder_)) found_ += path.extension() == suffix ? 1 : 0;
}

fs::path fit_folder::file_of(const std::string& name) const { return folder_ / (hash_of(name) + std::string(suffix)); }

std::optional<std::vector<std::byte>> fit_folder::find(const std::string& name) {
    const fs::path path = file_of(name);
    std::error_code problem;
    if (!fs::exists(path, problem)) return std::nullopt;
    // A line with the name, one with the hash of the bytes, the bytes.
    const eo::io::mapped_file file(path);
    const std::string_view all = text_of(file.bytes());
    const std::string begin = name + "\n";
    const std::size_t body = begin.size() + 17;
    if (!all.starts_with(begin) || all.size() < body ||
        hash_of(all.substr(body)) + "\n" != all.substr(begin.size(), 17)) {
        eo::fail(eo::errc::malformed_file, path.string(), ": expected '", name,
                 "' as it was kept, found other bytes; remove the file, and it is computed again");
    }
    const auto bytes = file.bytes().subspan(body);
    return std::vector<std::byte>(bytes.begin(), bytes.end());
}

void fit_folder::keep(const std::string& name, std::span<const std::byte> bytes) {
    eo::io::file_writer out(file_of(name));
    out.write(name + "\n" + hash_of(text_of(bytes)) + "\n");
    out.write(bytes);
    out.finish();
}

void fit_folder::remove() {
    std::error_code problem;
    for (const fs::path& path : files_in(folder_)) {
        const std::string name = path.filename().string();
        // With what a killed process may have left of a file.
        if (name == settings_name || name.find(suffix) == 16) fs::remove(path, problem);
    }
    fs::remove(folder_, problem);
}

}  // namespace cli
