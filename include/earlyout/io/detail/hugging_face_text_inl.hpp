// SPDX-License-Identifier: MIT
// What hugging_face_text.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_HUGGING_FACE_TEXT_INL_HPP
#define EARLYOUT_IO_DETAIL_HUGGING_FACE_TEXT_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/io/detail/add_ends.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/detail/json_file.hpp>
#include <earlyout/io/detail/model_path.hpp>
#include <earlyout/io/detail/token_ids.hpp>
#include <earlyout/io/detail/vocabulary_files.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/hugging_face_text.hpp>
#include <earlyout/io/json_config.hpp>
#include <earlyout/io/mapped_file.hpp>
#include <earlyout/io/model_text.hpp>
#include <earlyout/io/tokenizer_file.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

namespace detail {

/// Returns a folder's template of chats: chat_template.jinja, or else `chat_template` of tokenizer_config.json, or of
/// the list that this may be the first that is named "default".
[[nodiscard]] inline std::optional<std::string> folder_chat_template(const std::filesystem::path& folder) {
    if (const auto path = folder / "chat_template.jinja"; detail::exists(path)) {
        return std::string(mapped_file(path).text());
    }
    const std::filesystem::path path = folder / "tokenizer_config.json";
    if (!detail::exists(path)) return std::nullopt;
    const json config = detail::read_json_object(path);
    const auto found = config.find("chat_template");
    if (found == config.end() || found->is_null()) return std::nullopt;
    if (found->is_string()) return found->get<std::string>();
    const auto refuse = [&](const char* what, const char* type) {
        fail(errc::malformed_file, path.string(), ": 'chat_template': expected ", what, ", found ", type);
    };
    if (!found->is_array()) refuse("a string or an array", found->type_name());
    for (const json& one : *found) {
        const bool named = one.is_object() && one.contains("name") && one.contains("template");
        if (!named) refuse("objects with 'name' and 'template'", one.type_name());
        if (one["name"] != "default") continue;
        if (!one["template"].is_string()) refuse("a string as 'template'", one["template"].type_name());
        return one["template"].get<std::string>();
    }
    return std::nullopt;
}

/// Reads the start and end settings of the texts of a Hugging Face folder.
class folder_text_reader {
public:
    folder_text_reader(const std::filesystem::path& folder, const text::tokenizer& words) : words_(words) {
        for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
            if (const auto path = folder / name; detail::exists(path)) {
                files_.emplace_back(read_json_object(path), path.string());
            }
        }
    }

    /// @param given the result of read_generation_config()
    [[nodiscard]] model_text read(generation_config given) const {
        if (const auto eos = token("eos_token");
            eos && std::ranges::find(given.eos_token_ids, *eos) == given.eos_token_ids.end()) {
            given.eos_token_ids.push_back(*eos);
        }
        add_ends_by_name(given, words_);
        std::vector<token_id> before(words_.tokens_before().begin(), words_.tokens_before().end());
        // One comparison per value: GCC 12 warns that an empty optional<bool> is uninitialised.
        const auto adds = [&](bool value) {
            return !files_.empty() && files_.front().boolean("add_bos_token") == value;
        };
        const std::optional<token_id> named = token("bos_token");
        if (named) given.bos_token_id = named;
        const auto bos = given.bos_token_id;
        const bool known = bos && words_.has(*bos);
        if (known) {
            const auto there = std::ranges::find(before, *bos);
            if (adds(true) && there == before.end()) before.insert(before.begin(), *bos);
            if (adds(false) && there != before.end()) before.erase(there);
        }
        given.add_bos = known && std::ranges::find(before, *bos) != before.end();
        return {std::move(given), words_.with_tokens_before(std::move(before))};
    }

private:
    /// Returns a token by its text: "<s>", or {"content": "<s>", ...}.
    [[nodiscard]] std::optional<token_id> token(const std::string& key) const {
        for (const json_config& file : files_) {
            const auto text = file.text(file.members(key) ? key + ".content" : key);
            if (const auto id = text ? words_.find(*text) : std::nullopt) return id;
        }
        return std::nullopt;
    }

    const text::tokenizer& words_;
    std::vector<json_config> files_;
};

}  // namespace detail

EARLYOUT_IO_INLINE generation_config read_generation_config(const hugging_face_checkpoint& from) {
    const std::filesystem::path own = from.folder() / "generation_config.json";
    const detail::json given = detail::exists(own) ? detail::read_json_object(own) : detail::json::object();
    const auto ids = [&](const char* key) {
        std::vector<token_id> found = detail::token_ids(given, key, own.string());
        return found.empty()
                   ? detail::token_ids(from.config().object().value, key, (from.folder() / "config.json").string())
                   : found;
    };
    generation_config made;
    made.eos_token_ids = ids("eos_token_id");
    if (const auto bos = ids("bos_token_id"); !bos.empty()) made.bos_token_id = bos.front();

    const std::filesystem::path tokenizer = from.folder() / "tokenizer_config.json";
    if (detail::exists(tokenizer)) {
        const json_config config(detail::read_json_object(tokenizer), tokenizer.string());
        made.add_bos = config.boolean("add_bos_token").value_or(false);
    }
    made.chat_template = detail::folder_chat_template(from.folder());
    return made;
}

EARLYOUT_IO_INLINE model_text read_text(const hugging_face_checkpoint& from) {
    generation_config generation = read_generation_config(from);
    const std::filesystem::path path = from.folder() / "tokenizer.json";
    std::optional<text::tokenizer> words;
    if (detail::exists(path)) {
        words = load_tokenizer(path);
    } else if (const auto made = detail::vocabulary_files::tokenizer_json(from.folder())) {
        words = text::tokenizer::from_json(*made, (from.folder() / "vocab.json").string());
    }
    if (!words) return {std::move(generation), std::nullopt};
    return detail::folder_text_reader(from.folder(), *words).read(std::move(generation));
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
