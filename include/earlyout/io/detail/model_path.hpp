// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_MODEL_PATH_HPP
#define EARLYOUT_IO_DETAIL_MODEL_PATH_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/platform.hpp>
#include <earlyout/text/foreign.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

[[nodiscard]] inline bool exists(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}
[[nodiscard]] inline bool is_file(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored);
}
[[nodiscard]] inline bool is_folder(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored);
}

/// Returns the first bytes of a file; none if it cannot be read.
[[nodiscard]] inline std::string first_bytes(const std::filesystem::path& path) {
    std::string made(4096, '\0');
    platform::file file = platform::file::to_read(path.c_str());
    const std::ptrdiff_t count = file.is_open() ? file.read(made.data(), made.size()) : 0;
    made.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return made;
}

/// Returns true for "Qwen/Qwen2.5-Coder-0.5B", "gpt2" and the URL of such a repository.
[[nodiscard]] inline bool is_repository_name(std::string_view name) {
    if (name.starts_with("https://") || name.starts_with("http://") || name.starts_with("hf://")) return true;
    if (name.starts_with("hf.co/") || name.starts_with("huggingface.co/")) return true;
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.' || c == '/' || c == ':' || c == '@';
    };
    return !name.empty() && name.front() != '/' && name.front() != '.' && name.back() != '/' &&
           std::ranges::all_of(name, allowed) && std::ranges::count(name, '/') <= 1;
}

/// Returns the model's path when given the path of one of its files.
[[nodiscard]] inline std::string folder_of(const std::filesystem::path& file) {
    const std::filesystem::path parent = file.parent_path();
    return parent.empty() ? "." : parent.string();
}

/// Refuses a path at which there is no model.
/// @throws error (no_such_file)
inline void refuse_missing_model(const std::filesystem::path& path) {
    if (detail::exists(path)) return;
    std::error_code ignored;
    const char* const link =
        std::filesystem::is_symlink(std::filesystem::symlink_status(path, ignored)) ? "a broken link" : "nothing";
    const char* const download = is_repository_name(platform::path_text(path))
                                     ? "; if it is the name of a public repository: nothing is downloaded, fetch the "
                                       "model and give its folder"
                                     : "";
    fail(errc::no_such_file, path.string(), ": expected a folder with a model, or a GGUF or packed file, found ", link,
         download);
}

/// Refuses a file that is not a model by itself and names what to give instead.
/// @throws error (no_such_file, malformed_file, unsupported)
inline void refuse_part_of_model(const std::filesystem::path& path) {
    static constexpr const char* expected = ": expected a folder with a model, or a GGUF or packed file, found ";
    const std::string name = path.filename().string();
    const std::string bytes = first_bytes(path);
    if (bytes.starts_with("GGUF")) return;
    const auto refuse = [&](const std::string& what) {
        fail(errc::unsupported, path.string(), expected, what, ": give the folder that holds it, ",
             earlyout::detail::printable_path(folder_of(path)));
    };
    const bool is_json = name.ends_with(".json") || name.ends_with(".txt") || name.ends_with(".jinja");
    // Damage to the file itself is reported first.
    const std::string foreign = text::foreign_content(bytes, is_json ? text::content::json : text::content::gguf);
    if (is_json && foreign.empty()) refuse("a part of one");
    if (foreign == "a JSON file") refuse(foreign);
    if (foreign == "a safetensors file") return;  // a packed file, or refused by packed_checkpoint
    if (!foreign.empty()) fail(errc::malformed_file, path.string(), expected, foreign);
    if (name.ends_with(".safetensors")) return;  // damaged: its reader says how
    if (name == "tokenizer.model") refuse("a SentencePiece tokenizer");
}

/// Returns what a folder contains instead of `config.json` and weights, for a message; empty: nothing known.
[[nodiscard]] inline std::string found_in_place_of_model(const std::filesystem::path& folder) {
    if (detail::exists(folder / "adapter_config.json")) {
        return "; adapter_config.json is there: an adapter (LoRA) is not read, merge it into its model";
    }
    std::string gguf, nested, sharded;
    std::error_code problem;
    for (std::filesystem::directory_iterator at(folder, problem), end; !problem && at != end; at.increment(problem)) {
        const std::string name = at->path().filename().string();
        if (name.ends_with(".gguf") && (gguf.empty() || name < gguf)) gguf = name;
        if (name.ends_with(".safetensors") && name.find("-of-") != name.npos) sharded = name;
        if (detail::exists(at->path() / "config.json") && (nested.empty() || name < nested)) nested = name;
    }
    if (!gguf.empty()) return "; " + earlyout::detail::printable(gguf) + " is there: give that file";
    if (detail::exists(folder / "snapshots")) return "; this is a download cache: give the folder below its snapshots/";
    if (!nested.empty()) return "; " + earlyout::detail::printable(nested) + "/config.json is there: give that folder";
    if (!sharded.empty())
        return "; " + earlyout::detail::printable(sharded) + " is there, but not the index that names all shards";
    static constexpr const char* others[] = {"pytorch_model.bin",   "pytorch_model.bin.index.json",
                                             "model.bin",           "consolidated.safetensors",
                                             "consolidated.00.pth", "model.pt",
                                             "tf_model.h5",         "flax_model.msgpack",
                                             "model.onnx"};
    for (const char* const name : others) {
        if (detail::exists(folder / name)) return std::string("; ") + name + " is not read, convert it to safetensors";
    }
    return {};
}

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
