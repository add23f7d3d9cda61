// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_GENERATION_CONFIG_HPP
#define EARLYOUT_IO_GENERATION_CONFIG_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/io/detail/gguf_patterns.hpp>
#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/text/control_names.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// How a model's texts begin and end. README.md in this folder, "Where settings come from", has the rules.
struct generation_config {
    bool add_bos = false;  ///< a prompt given as text begins with `bos_token_id`, whole or to be filled in the middle
    std::optional<token_id> bos_token_id;
    std::vector<token_id> eos_token_ids;  ///< any of them ends a completion
};

namespace detail {

/// Token ids under a key: a number, an array of numbers, or nothing. Null and -1 are none.
[[nodiscard]] inline std::vector<token_id> token_ids(const json& object, const char* key, const std::string& source) {
    std::vector<token_id> ids;
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return ids;
    const json& values = found->is_array() ? *found : json::array({*found});
    for (const json& value : values) {
        if (value.is_null() || value == -1) continue;
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

/// Reads `eos_token_id` and `bos_token_id` of `generation_config.json`, or else of `config.json`, and `add_bos_token`
/// of `tokenizer_config.json`. What needs the tokenizer is added by read_text().
/// @throws error (malformed_file)
[[nodiscard]] inline generation_config read_generation_config(const hugging_face_checkpoint& from) {
    const std::filesystem::path own = from.folder() / "generation_config.json";
    const detail::json given = detail::exists(own) ? detail::read_json_object(own) : detail::json::object();
    const auto ids = [&](const char* key) {
        std::vector<token_id> found = detail::token_ids(given, key, own.string());
        return found.empty() ? detail::token_ids(from.config().object(), key, (from.folder() / "config.json").string())
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
    return made;
}

namespace detail {

/// Reads what a GGUF file says about tokens. Ids that no token has are none, as in llama.cpp.
class gguf_generation_reader {
public:
    explicit gguf_generation_reader(const gguf_checkpoint& from)
        : from_(from), tokens_(from.contents().texts("tokenizer.ggml.tokens")) {}

    [[nodiscard]] generation_config read() const {
        generation_config made;
        made.bos_token_id = id("bos");
        for (const char* name : {"eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"}) {
            const auto found = id(name);
            if (found && std::ranges::find(made.eos_token_ids, *found) == made.eos_token_ids.end()) {
                made.eos_token_ids.push_back(*found);
            }
        }
        add_named(made.eos_token_ids);
        const gguf& file = from_.contents();
        const gguf_pattern* const pattern = find_gguf_pattern(file.text("tokenizer.ggml.pre").value_or("default"));
        const bool usual =
            file.text("tokenizer.ggml.model") == "llama" || (pattern != nullptr && pattern->begins_with_bos);
        made.add_bos = file.boolean("tokenizer.ggml.add_bos_token").value_or(usual) && made.bos_token_id.has_value();
        return made;
    }

private:
    [[nodiscard]] std::optional<token_id> id(const char* name) const {
        const std::string key = std::string("tokenizer.ggml.").append(name).append("_token_id");
        const auto found = from_.contents().integer(key);
        if (!found || *found == 0xffffffff || *found == -1) return std::nullopt;  // none, as some files have it
        if (*found < 0 || *found > std::numeric_limits<token_id>::max()) {
            fail(errc::malformed_file, from_.source(), ": key '", key, "': expected a token id, found ", *found);
        }
        if (tokens_ && static_cast<std::uint64_t>(*found) >= tokens_->size()) return std::nullopt;
        return static_cast<token_id>(*found);
    }
    void add_named(std::vector<token_id>& ends) const {
        if (!tokens_) return;
        const auto types = from_.contents().integers("tokenizer.ggml.token_type");
        constexpr std::int64_t normal = 1;
        std::map<std::string_view, token_id> named;
        for (std::size_t i = 0; i < tokens_->size(); ++i) {
            const std::string_view token = (*tokens_)[i];
            if (!text::is_end_name(token)) continue;
            const bool is_text = !types || i >= types->size() || (*types)[i] == normal;
            if (!is_text || text::is_control_name(token)) named.emplace(token, static_cast<token_id>(i));
        }
        text::add_ends_by_name(ends, [&](std::string_view name) -> std::optional<token_id> {
            const auto found = named.find(name);
            return found == named.end() ? std::nullopt : std::optional(found->second);
        });
    }

    const gguf_checkpoint& from_;
    std::optional<std::vector<std::string_view>> tokens_;
};

}  // namespace detail

/// Reads the tokens that a GGUF file gives by its keys (`eos`, `eot`, `eom`, and `fim_pad`, `fim_rep`, `fim_sep`), and
/// those that end a text by their name. Files that do not say whether texts begin with `bos` mean what llama.cpp does:
/// SentencePiece, Llama 3 and what is cut like it have it.
/// @throws error (malformed_file)
[[nodiscard]] inline generation_config read_generation_config(const gguf_checkpoint& from) {
    return detail::gguf_generation_reader(from).read();
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
