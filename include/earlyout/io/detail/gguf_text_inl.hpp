// SPDX-License-Identifier: MIT
// What gguf_text.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_GGUF_TEXT_INL_HPP
#define EARLYOUT_IO_DETAIL_GGUF_TEXT_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/io/detail/gguf_patterns.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/gguf_checkpoint.hpp>
#include <earlyout/io/gguf_text.hpp>
#include <earlyout/io/gguf_tokenizer.hpp>
#include <earlyout/io/model_text.hpp>
#include <earlyout/text/control_names.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

namespace detail {

/// Reads the token settings of a GGUF file. Ids without a token are ignored, as in llama.cpp.
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
        if (const auto chat = file.text("tokenizer.chat_template")) made.chat_template = std::string(*chat);
        return made;
    }

private:
    [[nodiscard]] std::optional<token_id> id(const char* name) const {
        const std::string key = std::string("tokenizer.ggml.").append(name).append("_token_id");
        const auto found = from_.contents().integer(key);
        if (!found || *found == 0xffffffff || *found == -1) return std::nullopt;  // some files write this for none
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

EARLYOUT_IO_INLINE generation_config read_generation_config(const gguf_checkpoint& from) {
    return detail::gguf_generation_reader(from).read();
}

EARLYOUT_IO_INLINE model_text read_text(const gguf_checkpoint& from) {
    generation_config generation = read_generation_config(from);
    std::optional<text::tokenizer> words = read_tokenizer(from.contents(), generation);
    return {std::move(generation), std::move(words)};
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
