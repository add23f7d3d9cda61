// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_CORPUS_HPP
#define EARLYOUT_CALIBRATE_CORPUS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/generate/model.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Selects which texts are read.
struct corpus_options {
    std::vector<std::string> suffixes{".py"};  ///< of files in folders; a file named explicitly is always read
    std::size_t max_file_bytes = 1 << 18;      ///< larger files in folders are skipped: mostly data
    std::size_t max_tokens = 100'000;          ///< of all texts together; files are taken in random order up to this
    std::size_t max_tokens_per_text = 4096;    ///< of one text, from its start
    std::uint64_t seed = 1;                    ///< of that order
};

/// One text as token ids, its beginning-of-text token included where the model has one.
struct corpus_text {
    std::string name;  ///< path
    std::uint64_t hash = 0;
    std::vector<token_id> ids;
};

/// What a text is used for: determined by its contents alone, so that the same text never falls into two parts.
enum class corpus_part : std::uint8_t {
    fit,       ///< 6 of 10: gates and heads are fitted on these
    validate,  ///< 2 of 10: thresholds are compared on these
    guarantee  ///< 2 of 10: used once, by the test that a guarantee rests on
};

[[nodiscard]] inline corpus_part part_of(const corpus_text& text) noexcept {
    const std::uint64_t tenth = (text.hash >> 32) % 10;
    return tenth < 6 ? corpus_part::fit : tenth < 8 ? corpus_part::validate : corpus_part::guarantee;
}

namespace detail {

/// Hashes a text by FNV-1a, 64 bits, with a final mixing step so that every bit depends on all of the text.
[[nodiscard]] inline std::uint64_t hash_text(std::string_view text) noexcept {
    std::uint64_t h = 0xcbf29ce484222325u;
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    h = (h ^ (h >> 31)) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

[[nodiscard]] inline std::string read_text(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) fail(errc::no_such_file, path.string(), ": cannot be read: ", std::strerror(errno));
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (file.bad()) fail(errc::io, path.string(), ": cannot be read: ", std::strerror(errno));
    return text;
}

[[nodiscard]] inline bool has_suffix(const std::filesystem::path& path, const corpus_options& options) {
    const std::string name = path.filename().string();
    return std::ranges::any_of(options.suffixes, [&](const std::string& suffix) { return name.ends_with(suffix); });
}

}  // namespace detail

/// Returns the text files among these files and folders, sorted by path. Links are not followed.
/// @throws error (no_such_file) for a path that does not exist, or when nothing is found
[[nodiscard]] inline std::vector<std::filesystem::path> find_texts(const std::vector<std::filesystem::path>& paths,
                                                                   const corpus_options& options = {}) try {
    namespace fs = std::filesystem;
    std::vector<fs::path> found;
    for (const fs::path& path : paths) {
        std::error_code problem;
        if (!fs::exists(path, problem)) fail(errc::no_such_file, path.string(), ": no such file or folder");
        if (!fs::is_directory(path, problem)) {
            found.push_back(path);
            continue;
        }
        for (fs::recursive_directory_iterator at(path, fs::directory_options::skip_permission_denied, problem), end;
             !problem && at != end; at.increment(problem)) {
            const bool fits = !at->is_symlink(problem) && at->is_regular_file(problem) &&
                              at->file_size(problem) <= options.max_file_bytes && at->file_size(problem) > 0;
            if (fits && detail::has_suffix(at->path(), options)) found.push_back(at->path());
        }
        if (problem) fail(errc::io, path.string(), ": cannot be listed: ", problem.message());
    }
    if (found.empty()) {
        std::string suffixes;
        for (const std::string& suffix : options.suffixes) suffixes.append(suffixes.empty() ? "" : ", ").append(suffix);
        fail(errc::no_such_file, paths.empty() ? std::string("text") : paths.front().string(),
             ": expected text files that end in ", suffixes, ", found none");
    }
    std::ranges::sort(found);
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
} catch (...) {
    earlyout::detail::rethrow_as_error("texts");
}

/// Reads and tokenizes texts in random order until there are enough tokens; each distinct text once. Texts that are not
/// UTF-8 are read byte by byte like any other; special tokens in a text are encoded as plain text.
/// @tparam Model such as io::load returns
/// @throws error (no_such_file, io)
template <class Model>
    requires tokenizes<Model>
[[nodiscard]] std::vector<corpus_text> read_corpus(const Model& model, const std::vector<std::filesystem::path>& paths,
                                                   const corpus_options& options = {}) try {
    std::vector<std::filesystem::path> files = find_texts(paths, options);
    std::mt19937_64 engine(options.seed);
    for (std::size_t i = files.size(); i > 1; --i) std::swap(files[i - 1], files[engine() % i]);
    std::vector<corpus_text> texts;
    std::unordered_set<std::uint64_t> seen;
    std::size_t tokens = 0;
    for (const std::filesystem::path& path : files) {
        if (tokens >= options.max_tokens) break;
        const std::string text = detail::read_text(path);
        const std::uint64_t hash = detail::hash_text(text);
        if (text.empty() || !seen.insert(hash).second) continue;
        std::vector<token_id> ids = encode_prompt(model, text, true);
        ids.resize(std::min({ids.size(), options.max_tokens_per_text, options.max_tokens - tokens}));
        tokens += ids.size();
        texts.push_back({path.string(), hash, std::move(ids)});
    }
    if (tokens == 0) fail(errc::no_such_file, files.front().string(), ": expected text, found none");
    return texts;
} catch (...) {
    earlyout::detail::rethrow_as_error("texts");
}

/// A prompt and the reference that follows it in the text.
struct sample {
    std::vector<token_id> prompt;
    std::vector<token_id> reference;
    std::string name;  ///< of the text it was cut from
};

struct sample_options {
    std::size_t count = 200;
    std::size_t length = 128;       ///< tokens of a sample (prompt and reference): texts are cut into such pieces
    std::size_t new_tokens = 10;    ///< of the reference
    std::size_t least_prompt = 50;  ///< minimum prompt length, where the piece is long enough
    std::uint64_t seed = 1;
};

/// Cuts samples as the SEC paper does: of a piece of `len` tokens, the split point is uniform in [min(len - new_tokens,
/// least_prompt), len - new_tokens] (the paper's code also takes later ones, which leave fewer tokens to compare with).
/// Takes as few per text as give the count, from the texts in turn.
[[nodiscard]] inline std::vector<sample> cut_samples(const std::vector<corpus_text>& texts,
                                                     const sample_options& options = {}) try {
    if (options.new_tokens == 0 || options.length < options.new_tokens + 2) {
        fail(errc::invalid_argument, "samples: expected a length of at least ", options.new_tokens + 2, " tokens for ",
             options.new_tokens, " new ones, found ", options.length);
    }
    std::mt19937_64 engine(options.seed);
    std::vector<sample> samples;
    std::size_t pieces_left = 1;
    for (std::size_t piece = 0; samples.size() < options.count && pieces_left != 0; ++piece) {
        pieces_left = 0;
        for (const corpus_text& text : texts) {
            if (samples.size() == options.count) break;
            const std::size_t begin = piece * options.length;
            if (text.ids.size() < begin + options.new_tokens + 2) continue;
            ++pieces_left;
            const std::size_t length = std::min(options.length, text.ids.size() - begin);
            const std::size_t last = length - options.new_tokens;
            const std::size_t first = std::min(last, options.least_prompt);
            const std::size_t split = first + engine() % (last - first + 1);
            const auto at = text.ids.begin() + static_cast<std::ptrdiff_t>(begin);
            const auto middle = at + static_cast<std::ptrdiff_t>(split);
            samples.push_back(
                {{at, middle}, {middle, middle + static_cast<std::ptrdiff_t>(options.new_tokens)}, text.name});
        }
    }
    return samples;
} catch (...) {
    earlyout::detail::rethrow_as_error("texts");
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
