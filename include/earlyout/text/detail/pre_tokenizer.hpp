// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_PRE_TOKENIZER_HPP
#define EARLYOUT_TEXT_DETAIL_PRE_TOKENIZER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/text/detail/json_place.hpp>
#include <earlyout/text/detail/pattern_dialect.hpp>
#include <earlyout/text/detail/published_patterns.hpp>
#include <earlyout/text/detail/splitter.hpp>
#include <earlyout/text/detail/unicode_scripts.hpp>
#include <earlyout/text/detail/utf8.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// A step that splits at an expression of the files' dialect.
[[nodiscard]] inline split_step split_at(std::string_view expression, split_behavior behavior,
                                         const std::string& where) {
    split_step made{pattern(pattern_dialect::to_pcre2(expression, where), pattern::syntax::regular_expression, where),
                    behavior, false};
    if (takes_linear_time(expression)) made.at.compile_to_machine_code();
    return made;
}

/// Returns the prefix of every text that does not begin with a space.
/// @throws error (malformed_file) when the two ways to specify it disagree
[[nodiscard]] inline metaspace::prefix read_prefix(const json_place& place) {
    using prefix = metaspace::prefix;
    const json_place scheme = place.at("prepend_scheme");
    const bool add = place.at("add_prefix_space").boolean(true);
    if (scheme.is_null()) return add ? prefix::always : prefix::never;
    const std::string& name = scheme.string();
    scheme.require(name == "always" || name == "first" || name == "never", "always, first or never");
    scheme.require(add || name == "never", "never, as add_prefix_space is false");
    return name == "always" ? prefix::always : name == "first" ? prefix::first : prefix::never;
}

/// Reads the `pre_tokenizer` of a tokenizer file: any number of Split, Digits, Punctuation, Whitespace, WhitespaceSplit
/// and UnicodeScripts, then ByteLevel, or for a vocabulary over characters nothing; there, one Metaspace may be among
/// them.
class pre_tokenizer_reader {
public:
    struct result {
        splitter how;
        bool byte_level = false;
    };
    [[nodiscard]] static result read(const json_place& place) {
        pre_tokenizer_reader reader;
        if (!place.is_null()) reader.read_step(place, 0);
        return {std::move(reader.made_), reader.byte_level_};
    }

private:
    void read_step(const json_place& place, int depth) {
        check_sequence_depth(place, depth);
        const std::string& type = place.at("type").string();
        if (type == "Sequence") {
            const json_place steps = place.at("pretokenizers");
            for (std::size_t i = 0; i < steps.size(); ++i) read_step(steps.at(i), depth + 1);
            return;
        }
        if (byte_level_) place.refuse(errc::unsupported, "nothing after ByteLevel");
        if (made_.spaces && (type == "ByteLevel" || type == "Metaspace")) {
            place.refuse(errc::unsupported, "neither ByteLevel nor a second Metaspace after Metaspace");
        }
        const std::size_t before = made_.steps.size();
        if (type == "ByteLevel") {
            read_byte_level(place);
        } else if (type == "Metaspace") {
            return read_metaspace(place);
        } else if (!read_pattern(place, type)) {
            place.at("type").refuse(errc::unsupported,
                                    "ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, "
                                    "UnicodeScripts or a Sequence of them");
        }
        if (made_.spaces) made_.behind_spaces += made_.steps.size() - before;
    }
    /// Reads a step that is a pattern.
    /// @return false for another type
    [[nodiscard]] bool read_pattern(const json_place& place, const std::string& type) {
        if (type == "Split") {
            read_split(place);
        } else if (type == "Digits") {
            const bool single = place.at("individual_digits").boolean(false);
            add(place, R"(\p{N})", single ? split_behavior::isolated : split_behavior::contiguous);
        } else if (type == "Punctuation") {
            const json_place behavior = place.at("behavior");
            add(place, R"([\p{P}$+<=>^`|~])", behavior.is_null() ? split_behavior::isolated : read_behavior(behavior));
        } else if (type == "Whitespace") {
            add_linear(place,
                       std::string("[").append(word_characters).append("]+|[^").append(word_characters) + "\\s]+");
        } else if (type == "WhitespaceSplit") {
            add_linear(place, R"(\S+)");
        } else if (type == "UnicodeScripts") {
            add_linear(place, unicode_scripts_pattern());
        } else {
            return false;
        }
        return true;
    }

    void add(const json_place& place, std::string_view expression, split_behavior behavior) {
        made_.steps.push_back(split_at(expression, behavior, place.name()));
    }
    /// Adds a step whose words are the matches, the text between them being dropped.
    /// @param expression one that takes linear time
    void add_linear(const json_place& place, std::string_view expression) {
        add(place, expression, split_behavior::removed);
        made_.steps.back().invert = true;
        made_.steps.back().at.compile_to_machine_code();
    }
    void read_byte_level(const json_place& place) {
        byte_level_ = true;
        made_.add_prefix_space = place.at("add_prefix_space").boolean(true);
        made_.prefix_before_last = place.at("use_regex").boolean(true);
        if (made_.prefix_before_last) add(place, gpt2_pattern, split_behavior::isolated);
    }
    void read_metaspace(const json_place& place) {
        const json_place written = place.at("replacement");
        const std::string& replacement = written.string();
        written.require(!replacement.empty() && look_at_utf8(replacement).needed == replacement.size(),
                        "one character");
        made_.spaces = metaspace{replacement, read_prefix(place), place.at("split").boolean(true)};
    }
    void read_split(const json_place& place) {
        const json_place written = place.at("pattern");
        const split_behavior behavior = read_behavior(place.at("behavior"));
        if (const json_place literal = written.at("String"); !literal.is_null()) {
            made_.steps.push_back(
                {pattern(literal.string(), pattern::syntax::literal, literal.name()), behavior, false});
        } else {
            const json_place expression = written.at("Regex");
            add(expression, expression.string(), behavior);
        }
        made_.steps.back().invert = place.at("invert").boolean(false);
    }
    static split_behavior read_behavior(const json_place& place) {
        const std::string& name = place.string();
        if (name == "Removed") return split_behavior::removed;
        if (name == "Isolated") return split_behavior::isolated;
        if (name == "MergedWithPrevious") return split_behavior::merged_with_previous;
        if (name == "MergedWithNext") return split_behavior::merged_with_next;
        if (name == "Contiguous") return split_behavior::contiguous;
        place.refuse(errc::unsupported, "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
    }

    splitter made_;
    bool byte_level_ = false;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
