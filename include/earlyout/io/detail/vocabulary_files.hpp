// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_VOCABULARY_FILES_HPP
#define EARLYOUT_IO_DETAIL_VOCABULARY_FILES_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/detail/json_file.hpp>
#include <earlyout/io/detail/listed_tokens.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/mapped_file.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// How transformers makes a byte-level tokenizer of `vocab.json` and `merges.txt`.
struct vocabulary_class {
    std::string_view name;            ///< of the class, without "Fast"
    std::string_view model_types[3];  ///< those whose tokenizer it is if no file names a class
    std::string_view pattern;         ///< none: ByteLevel's own, GPT-2's
    bool normal_form_c = false;
};

inline constexpr vocabulary_class vocabulary_classes[] = {
    {.name = "GPT2Tokenizer", .model_types = {"gpt2", "starcoder2"}, .pattern = {}},
    {.name = "CodeGenTokenizer", .model_types = {"codegen"}, .pattern = {}},
    {.name = "Qwen2Tokenizer",
     .model_types = {"qwen2", "qwen3"},
     .pattern = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
                R"(\s*[\r\n]+|\s+(?!\S)|\s+)",
     .normal_form_c = true}};

/// Reads the tokenizer of a folder without `tokenizer.json`, from `vocab.json`, `merges.txt` and the files that list
/// special and added tokens, as transformers converts them (GPT2Converter, Qwen2Converter): to a `tokenizer.json`.
class vocabulary_files {
public:
    /// Returns nothing if the folder has neither file.
    /// @throws error (no_such_file) if it has one of them, (malformed_file), (unsupported) for another class of
    ///         tokenizer, naming it
    [[nodiscard]] static std::optional<std::string> tokenizer_json(const std::filesystem::path& folder) {
        const bool vocab = detail::exists(folder / "vocab.json");
        const bool merges = detail::exists(folder / "merges.txt");
        if (!vocab && !merges) return std::nullopt;
        const vocabulary_files files(folder);
        const vocabulary_class& how = files.find_class();
        for (const char* name : {"vocab.json", "merges.txt"}) {
            if (detail::exists(folder / name)) continue;
            fail(errc::no_such_file, (folder / name).string(), ": expected beside ",
                 vocab ? "vocab.json" : "merges.txt", " in a folder without tokenizer.json, found nothing");
        }
        return files.made(how).dump(-1, ' ', false, json::error_handler_t::replace);
    }

private:
    explicit vocabulary_files(const std::filesystem::path& folder)
        : folder_(folder), config_(object("config.json")), settings_(object("tokenizer_config.json")) {}

    /// Returns an empty object for a file that is not there.
    [[nodiscard]] json object(const char* name) const {
        return detail::exists(folder_ / name) ? read_json_object(folder_ / name) : json::object();
    }
    /// `tokenizer_config.json`, or else `config.json` names the class, or else the model type decides.
    [[nodiscard]] const vocabulary_class& find_class() const {
        for (const auto& [file, values] : {std::pair("tokenizer_config.json", &settings_), {"config.json", &config_}}) {
            const std::string name = text(*values, "tokenizer_class");
            if (name.empty()) continue;
            const std::string_view plain =
                name.ends_with("Fast") ? std::string_view(name).substr(0, name.size() - 4) : std::string_view(name);
            const auto* const found = std::ranges::find(vocabulary_classes, plain, &vocabulary_class::name);
            if (found != std::end(vocabulary_classes)) return *found;
            fail(errc::unsupported, (folder_ / file).string(),
                 ": 'tokenizer_class': expected GPT2Tokenizer, CodeGenTokenizer or Qwen2Tokenizer in a folder without "
                 "tokenizer.json, found '",
                 short_reason(name), "'");
        }
        const std::string type = text(config_, "model_type");
        for (const vocabulary_class& one : vocabulary_classes) {
            if (!type.empty() && std::ranges::count(one.model_types, type) > 0) return one;
        }
        fail(errc::unsupported, (folder_ / "config.json").string(),
             ": 'model_type': expected one whose tokenizer may be stored as vocab.json and merges.txt (gpt2, "
             "starcoder2, "
             "codegen, qwen2, qwen3) in a folder without tokenizer.json, found '",
             short_reason(type), "'");
    }
    [[nodiscard]] static std::string text(const json& object, const char* key) {
        const auto found = object.find(key);
        return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
    }
    [[nodiscard]] bool setting(const char* key) const {
        const auto found = settings_.find(key);
        if (found == settings_.end() || found->is_null()) return false;
        if (!found->is_boolean()) {
            fail(errc::malformed_file, (folder_ / "tokenizer_config.json").string(), ": '", key,
                 "': expected true or false, found ", short_reason(found->dump()));
        }
        return found->get<bool>();
    }

    [[nodiscard]] json made(const vocabulary_class& how) const {
        json vocab = read_json_object(folder_ / "vocab.json");
        json merges = read_merges(vocab);
        json added = listed_tokens::read(folder_, settings_, vocab);
        if (setting("split_special_tokens")) {
            fail(errc::unsupported, (folder_ / "tokenizer_config.json").string(),
                 ": 'split_special_tokens': expected false, found true");
        }
        const json bytes{{"type", "ByteLevel"},
                         {"add_prefix_space", setting("add_prefix_space")},
                         {"use_regex", how.pattern.empty()}};
        json split = bytes;
        if (!how.pattern.empty()) {
            const json words{{"type", "Split"},
                             {"pattern", {{"Regex", std::string(how.pattern)}}},
                             {"behavior", "Isolated"},
                             {"invert", false}};
            split = {{"type", "Sequence"}, {"pretokenizers", json::array({words, bytes})}};
        }
        return {{"added_tokens", std::move(added)},
                {"normalizer", how.normal_form_c ? json{{"type", "NFC"}} : json()},
                {"pre_tokenizer", std::move(split)},
                {"decoder", {{"type", "ByteLevel"}}},
                {"model", {{"type", "BPE"}, {"vocab", std::move(vocab)}, {"merges", std::move(merges)}}}};
    }
    /// Two pieces a line; the first line may be a version. Blank lines count for nothing.
    [[nodiscard]] json read_merges(const json& vocab) const {
        const mapped_file file(folder_ / "merges.txt");
        json merges = json::array();
        std::size_t number = 0;
        for (std::string_view rest = file.text(); !rest.empty();) {
            std::string_view line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(rest.size(), line.size() + 1));
            if (line.ends_with('\r')) line.remove_suffix(1);
            ++number;
            if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
            const std::size_t space = line.find(' ');
            const std::string left(line.substr(0, space));
            const std::string right(space == line.npos ? std::string_view() : line.substr(space + 1));
            if (!vocab.contains(left) || !vocab.contains(right) || !vocab.contains(left + right)) {
                fail(errc::malformed_file, file.path(), ": line ", number,
                     ": expected two pieces of vocab.json that are a piece together, found '", short_reason(line), "'");
            }
            merges.push_back({left, right});
        }
        return merges;
    }

    std::filesystem::path folder_;
    json config_;
    json settings_;
};

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
