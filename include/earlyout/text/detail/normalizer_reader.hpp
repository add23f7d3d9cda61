// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_NORMALIZER_READER_HPP
#define EARLYOUT_TEXT_DETAIL_NORMALIZER_READER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/text/detail/json_place.hpp>
#include <earlyout/text/detail/normalizer.hpp>
#include <earlyout/text/detail/pattern_dialect.hpp>
#include <earlyout/text/detail/spelling.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Reads the `normalizer` of a tokenizer file: Prepend, Replace, Strip, Unicode's forms, and Sequences of them.
class normalizer_reader {
public:
    [[nodiscard]] static normalizer read(const json_place& place) {
        normalizer_reader reader;
        reader.made_.source = place.name();
        if (!place.is_null()) reader.read_step(place, 0);
        return std::move(reader.made_);
    }

private:
    using kind = normalizer_step::kind;

    void read_step(const json_place& place, int depth) {
        check_sequence_depth(place, depth);
        const std::string& type = place.at("type").string();
        if (type == "Sequence") {
            const json_place steps = place.at("normalizers");
            for (std::size_t i = 0; i < steps.size(); ++i) read_step(steps.at(i), depth + 1);
        } else if (type == "Prepend") {
            add({.what = kind::prepend, .from = {}, .at = {}, .to = short_text(place.at("prepend"))});
        } else if (type == "Replace") {
            read_replace(place);
        } else if (type == "Strip") {
            add({.what = kind::strip,
                 .from = {},
                 .at = {},
                 .to = {},
                 .left = place.at("strip_left").boolean(true),
                 .right = place.at("strip_right").boolean(true)});
        } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
            add(unicode_step({.compatible = type[2] == 'K', .composed = type.back() == 'C'}, place.name()));
        } else {
            place.at("type").refuse(errc::unsupported,
                                    "Prepend, Replace, Strip, NFC, NFD, NFKC, NFKD or a Sequence of them");
        }
    }
    void read_replace(const json_place& place) {
        const json_place written = place.at("pattern");
        const std::string& to = short_text(place.at("content"));
        if (const json_place literal = written.at("String"); !literal.is_null()) {
            literal.require(!literal.string().empty(), "a non-empty text");
            add({.what = kind::replace, .from = literal.string(), .at = {}, .to = to});
        } else {
            const json_place expression = written.at("Regex");
            add({.what = kind::replace,
                 .from = {},
                 .at = pattern(pattern_dialect::to_pcre2(expression.string(), expression.name()),
                               pattern::syntax::regular_expression, expression.name()),
                 .to = to});
        }
    }
    /// Every position of a text may become one.
    static const std::string& short_text(const json_place& place) {
        place.require(place.string().size() <= 64, "at most 64 bytes");
        return place.string();
    }
    void add(normalizer_step step) { made_.steps.push_back(std::move(step)); }

    normalizer made_;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
