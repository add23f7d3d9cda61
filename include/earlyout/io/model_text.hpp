// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_MODEL_TEXT_HPP
#define EARLYOUT_IO_MODEL_TEXT_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/gguf_tokenizer.hpp>
#include <earlyout/io/hugging_face_checkpoint.hpp>
#include <earlyout/io/packed_checkpoint.hpp>
#include <earlyout/io/tokenizer_file.hpp>
#include <earlyout/text/control_names.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// How a model reads and writes text.
struct model_text {
    generation_config generation;
    std::optional<text::tokenizer> tokenizer;  ///< its tokens_before() are all that goes before a prompt
};

namespace detail {

inline void add_ends_by_name(generation_config& into, const text::tokenizer& words) {
    text::add_ends_by_name(into.eos_token_ids, [&](std::string_view name) -> std::optional<token_id> {
        const auto id = words.find(name);
        return id && words.is_special(*id) ? id : std::nullopt;
    });
}

/// What goes before and ends the texts of a Hugging Face folder.
class folder_text_reader {
public:
    folder_text_reader(const std::filesystem::path& folder, const text::tokenizer& words) : words_(words) {
        for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
            if (const auto path = folder / name; detail::exists(path)) {
                files_.emplace_back(read_json_object(path), path.string());
            }
        }
    }

    /// @param given what read_generation_config() found
    [[nodiscard]] model_text read(generation_config given) const {
        if (const auto eos = token("eos_token");
            eos && std::ranges::find(given.eos_token_ids, *eos) == given.eos_token_ids.end()) {
            given.eos_token_ids.push_back(*eos);
        }
        add_ends_by_name(given, words_);
        std::vector<token_id> before(words_.tokens_before().begin(), words_.tokens_before().end());
        // The two answers apart, because GCC 12 takes an optional<bool> that is empty for one that is not initialised.
        const auto adds = [&](bool answer) {
            return !files_.empty() && files_.front().boolean("add_bos_token") == answer;
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
    /// A token by its text: "<s>", or {"content": "<s>", ...}.
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

/// Reads the tokenizer of a folder with what `tokenizer_config.json` says about the ends of texts.
/// @throws error as load_tokenizer and read_generation_config
[[nodiscard]] inline model_text read_text(const hugging_face_checkpoint& from) {
    generation_config generation = read_generation_config(from);
    const std::filesystem::path path = from.folder() / "tokenizer.json";
    if (!detail::exists(path)) return {std::move(generation), std::nullopt};
    const text::tokenizer words = load_tokenizer(path);
    return detail::folder_text_reader(from.folder(), words).read(std::move(generation));
}
/// Reads the tokenizer inside a GGUF file.
/// @throws error as read_tokenizer and read_generation_config
[[nodiscard]] inline model_text read_text(const gguf_checkpoint& from) {
    generation_config generation = read_generation_config(from);
    std::optional<text::tokenizer> words = read_tokenizer(from.contents(), generation);
    return {std::move(generation), std::move(words)};
}
/// Reads the tokenizer inside a packed file.
/// @throws error as packed_checkpoint::tokenizer
[[nodiscard]] inline model_text read_text(const packed_checkpoint& from) {
    model_text made{from.generation(), from.tokenizer()};
    if (made.tokenizer) detail::add_ends_by_name(made.generation, *made.tokenizer);
    return made;
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
