// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_TOKENIZER_PRE_TOKENIZER_HPP
#define EARLYOUT_IO_DETAIL_TOKENIZER_PRE_TOKENIZER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/pattern_dialect.hpp>
#include <earlyout/io/detail/tokenizer_json.hpp>
#include <earlyout/io/detail/tokenizer_splitter.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout::inline EARLYOUT_ABI {
namespace io::detail {

/// GPT-2's words: contractions, letters, numbers, other signs, each with the space before it, and white space.
inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// Reads the `pre_tokenizer` of a tokenizer file: any number of Split, Digits and Punctuation, then ByteLevel.
class pre_tokenizer_reader {
public:
    [[nodiscard]] static splitter read(const json_place& place) {
        pre_tokenizer_reader reader;
        if (place.is_null()) place.refuse(errc::unsupported, "ByteLevel or a Sequence that ends with it");
        reader.read_step(place, 0);
        if (!reader.ended_) place.refuse(errc::unsupported, "ByteLevel as the last step");
        return std::move(reader.made_);
    }

private:
    void read_step(const json_place& place, int depth) {
        constexpr int deepest = 8;
        if (depth > deepest) place.refuse(errc::malformed_file, "at most 8 levels of Sequence");
        const std::string& type = place.at("type").string();
        if (type == "Sequence") {
            const json_place steps = place.at("pretokenizers");
            for (std::size_t i = 0; i < steps.size(); ++i) read_step(steps.at(i), depth + 1);
            return;
        }
        if (ended_) place.refuse(errc::unsupported, "nothing behind ByteLevel");
        if (type == "ByteLevel") {
            read_byte_level(place);
        } else if (type == "Split") {
            read_split(place);
        } else if (type == "Digits") {
            const bool single = place.at("individual_digits").boolean(false);
            add(place, R"(\p{N})", single ? split_behavior::isolated : split_behavior::contiguous);
        } else if (type == "Punctuation") {
            const json_place behavior = place.at("behavior");
            add(place, R"([\p{P}$+<=>^`|~])", behavior.is_null() ? split_behavior::isolated : read_behavior(behavior));
        } else {
            place.at("type").refuse(errc::unsupported, "ByteLevel, Split, Digits, Punctuation or Sequence");
        }
    }

    void add(const json_place& place, std::string_view expression, split_behavior behavior) {
        made_.steps.push_back({pattern(pattern_dialect::to_pcre2(expression, place.name()),
                                       pattern::syntax::regular_expression, place.name()),
                               behavior, false});
    }
    void read_byte_level(const json_place& place) {
        ended_ = true;
        made_.add_prefix_space = place.at("add_prefix_space").boolean(true);
        made_.prefix_before_last = place.at("use_regex").boolean(true);
        if (made_.prefix_before_last) add(place, gpt2_pattern, split_behavior::isolated);
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
    bool ended_ = false;
};

}  // namespace io::detail
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
