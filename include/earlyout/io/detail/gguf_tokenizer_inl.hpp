// SPDX-License-Identifier: MIT
// What gguf_tokenizer.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_GGUF_TOKENIZER_INL_HPP
#define EARLYOUT_IO_DETAIL_GGUF_TOKENIZER_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/gguf_patterns.hpp>
#include <earlyout/io/generation_config.hpp>
#include <earlyout/io/gguf_file.hpp>
#include <earlyout/io/gguf_tokenizer.hpp>
#include <earlyout/text/control_names.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

namespace detail {

/// Reads the tokenizer inside a GGUF file, as parts.
class gguf_tokenizer_reader {
public:
    explicit gguf_tokenizer_reader(const gguf& from) : from_(from) {}

    [[nodiscard]] text::tokenizer_parts read(const generation_config& generation) const {
        text::tokenizer_parts made;
        made.source = from_.source() + ": tokenizer";
        const auto tokens = from_.texts(key("tokens"));
        if (!tokens) fail(errc::malformed_file, from_.source(), ": key '", key("tokens"), "' is missing");
        made.pieces.assign(tokens->begin(), tokens->end());
        read_kinds(made);
        mark_control(made);
        const std::string_view model = from_.text(key("model")).value_or("");
        if (model == "gpt2") {
            read_byte_level(made);
        } else if (model == "llama") {
            made.type = text::tokenizer_parts::algorithm::sentence_piece;
            made.scores = from_.reals(key("scores")).value_or(std::vector<float>());
            require_size("scores", made.scores.size(), made);
            made.add_space_prefix = from_.boolean(key("add_space_prefix")).value_or(true);
        } else {
            fail(errc::unsupported, from_.source(), ": key '", key("model"), "': expected one of gpt2, llama; found '",
                 earlyout::detail::printable(model), "'");
        }
        if (generation.add_bos) made.before.push_back(*generation.bos_token_id);
        if (from_.boolean(key("add_eos_token")).value_or(false) && !generation.eos_token_ids.empty()) {
            made.behind.push_back(generation.eos_token_ids.front());
        }
        return made;
    }

private:
    using kind = text::tokenizer_parts::kind;

    [[nodiscard]] static std::string key(std::string_view name) { return std::string("tokenizer.ggml.").append(name); }

    void read_byte_level(text::tokenizer_parts& into) const {
        const std::string_view name = from_.text(key("pre")).value_or("default");
        const gguf_pattern* const pattern = find_gguf_pattern(name);
        if (pattern == nullptr) {
            fail(errc::unsupported, from_.source(), ": key '", key("pre"), "': expected one of ", gguf_pattern_names(),
                 "; found '", earlyout::detail::printable(name), "'");
        }
        into.patterns.assign(pattern->cuts.begin(), pattern->cuts.end());
        into.ignore_merges = pattern->ignore_merges;
        into.add_space_prefix = from_.boolean(key("add_space_prefix")).value_or(false);
        const auto merges = from_.texts(key("merges"));
        if (!merges) fail(errc::malformed_file, from_.source(), ": key '", key("merges"), "' is missing");
        into.merges.assign(merges->begin(), merges->end());
    }

    void read_kinds(text::tokenizer_parts& into) const {
        const auto types = from_.integers(key("token_type"));
        if (!types) return;
        require_size("token_type", types->size(), into);
        into.kinds.reserve(types->size());
        for (const std::int64_t type : *types) {
            const bool known = type >= 1 && type <= 6;  // others are undefined, and treated as normal by llama.cpp
            into.kinds.push_back(known ? static_cast<kind>(type - 1) : kind::normal);
        }
    }
    /// Tokens that control the model are never text, whatever type the file gives them.
    static void mark_control(text::tokenizer_parts& parts) {
        for (std::size_t i = 0; i < parts.pieces.size(); ++i) {
            const kind own = parts.kinds.empty() ? kind::normal : parts.kinds[i];
            const bool is_control = own == kind::normal ? text::is_control_name(parts.pieces[i])
                                    : own == kind::user_defined
                                        ? text::is_end_name(parts.pieces[i]) || text::is_middle_name(parts.pieces[i])
                                        : false;
            if (!is_control) continue;
            if (parts.kinds.empty()) parts.kinds.resize(parts.pieces.size(), kind::normal);
            parts.kinds[i] = kind::control;
        }
    }
    void require_size(std::string_view name, std::size_t found, const text::tokenizer_parts& parts) const {
        if (found != parts.pieces.size()) {
            fail(errc::malformed_file, from_.source(), ": key '", key(name), "': expected one for each of ",
                 parts.pieces.size(), " tokens, found ", found);
        }
    }

    const gguf& from_;
};

}  // namespace detail

EARLYOUT_IO_INLINE std::optional<text::tokenizer> read_tokenizer(const gguf& from,
                                                                 const generation_config& generation) {
    const std::string_view model = from.text("tokenizer.ggml.model").value_or("none");
    if (model == "none" || model == "no_vocab") return std::nullopt;
    return text::tokenizer::from_parts(detail::gguf_tokenizer_reader(from).read(generation));
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
