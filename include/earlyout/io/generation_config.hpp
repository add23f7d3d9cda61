// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GENERATION_CONFIG_HPP
#define EARLYOUT_IO_GENERATION_CONFIG_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// How a model's texts begin and end.
struct generation_config {
    bool add_bos = false;  ///< a prompt given as text begins with `bos_token_id`
    std::optional<token_id> bos_token_id;
    std::vector<token_id> eos_token_ids;  ///< any of them ends a completion
};

namespace detail {

/// Token ids under a key: a number, an array of numbers, or nothing.
[[nodiscard]] inline std::vector<token_id> token_ids(const json& object, const char* key, const std::string& source) {
    std::vector<token_id> ids;
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return ids;
    const json& values = found->is_array() ? *found : json::array({*found});
    for (const json& value : values) {
        constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<token_id>::max());
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > largest) {
            fail(errc::malformed_file, source, ": '", key, "': expected token ids, found ",
                 short_reason(found->dump(-1, ' ', true, json::error_handler_t::replace)));
        }
        ids.push_back(static_cast<token_id>(value.get<std::uint64_t>()));
    }
    return ids;
}

}  // namespace detail

/// Reads `generation_config.json`, falling back to `config.json` for what it lacks, and whether
/// `tokenizer_config.json` asks for a beginning-of-text token (`add_bos_token`).
/// @throws error (malformed_file)
[[nodiscard]] inline generation_config read_generation_config(const hugging_face_checkpoint& from) {
    const std::filesystem::path own = from.folder() / "generation_config.json";
    const detail::json given = detail::exists(own) ? detail::read_json_object(own) : detail::json::object();
    const auto ids = [&](const char* key) {
        std::vector<token_id> found = detail::token_ids(given, key, own.string());
        return found.empty() ? detail::token_ids(from.config(), key, (from.folder() / "config.json").string()) : found;
    };
    generation_config made;
    made.eos_token_ids = ids("eos_token_id");
    if (const auto bos = ids("bos_token_id"); !bos.empty()) made.bos_token_id = bos.front();

    const std::filesystem::path tokenizer = from.folder() / "tokenizer_config.json";
    if (detail::exists(tokenizer)) {
        const detail::json config = detail::read_json_object(tokenizer);
        const auto add = config.find("add_bos_token");
        if (add != config.end() && !add->is_null()) {
            if (!add->is_boolean()) {
                fail(errc::malformed_file, tokenizer.string(), ": 'add_bos_token': expected true or false, found ",
                     add->type_name());
            }
            made.add_bos = add->get<bool>();
        }
    }
    return made;
}

/// Reads the tokens that a GGUF file names, the end of a turn (`eot`, `eom`) among those that end a text. Files that do
/// not say whether texts begin with `bos` mean what llama.cpp does: SentencePiece and Llama 3 have it.
/// @throws error (malformed_file)
[[nodiscard]] inline generation_config read_generation_config(const gguf_checkpoint& from) {
    const auto id = [&](const char* name) -> std::optional<token_id> {
        const std::string key = std::string("tokenizer.ggml.").append(name).append("_token_id");
        const auto found = from.contents().integer(key);
        if (!found || *found == 0xffffffff) return std::nullopt;  // none, as some files have it
        if (*found < 0 || *found > std::numeric_limits<token_id>::max()) {
            fail(errc::malformed_file, from.source(), ": key '", key, "': expected a token id, found ", *found);
        }
        return static_cast<token_id>(*found);
    };
    generation_config made;
    made.bos_token_id = id("bos");
    for (const char* name : {"eos", "eot", "eom"}) {
        const auto found = id(name);
        if (found && std::ranges::find(made.eos_token_ids, *found) == made.eos_token_ids.end()) {
            made.eos_token_ids.push_back(*found);
        }
    }
    const std::string_view pattern = from.contents().text("tokenizer.ggml.pre").value_or("");
    const bool usual = from.contents().text("tokenizer.ggml.model") == "llama" || pattern == "llama-bpe" ||
                       pattern == "llama3" || pattern == "llama-v3";
    made.add_bos =
        from.contents().boolean("tokenizer.ggml.add_bos_token").value_or(usual) && made.bos_token_id.has_value();
    return made;
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
