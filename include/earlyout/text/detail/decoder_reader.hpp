// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_DECODER_READER_HPP
#define EARLYOUT_TEXT_DETAIL_DECODER_READER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/text/detail/json_place.hpp>
#include <earlyout/text/detail/pre_tokenizer.hpp>
#include <earlyout/text/detail/spelling.hpp>
#include <earlyout/text/detail/text_start.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// How the pieces of a vocabulary over characters become text. A text is the concatenation of its pieces, each decoded
/// separately, without the part omitted at its start.
struct decoding {
    std::vector<std::pair<std::string, std::string>> replacements;  ///< in this order
    bool bytes = false;                                             ///< "<0x0A>" is a byte
    bool spaced = false;                                            ///< pieces are separated by spaces
    text_start left_out;

    [[nodiscard]] std::string operator()(std::string_view spelled) const {
        if (bytes) {
            if (const auto byte = byte_of_piece(spelled)) return std::string(1, static_cast<char>(*byte));
        }
        std::string text(spelled);
        if (spaced) text.insert(0, 1, ' ');  // left out at the start
        for (const auto& [from, to] : replacements) text = replaced(text, from, to);
        return text;
    }
};

/// Reads the `decoder` of a tokenizer file that is not byte-level: Replace, ByteFallback, Fuse, Strip, Metaspace and
/// Sequences of them; without one, spaces separate the pieces.
class decoder_reader {
public:
    [[nodiscard]] static decoding read(const json_place& place) {
        decoder_reader reader;
        if (place.is_null()) {
            reader.made_.spaced = true;
            reader.made_.left_out.spaces = 1;
        } else {
            reader.read_step(place, 0);
        }
        return std::move(reader.made_);
    }

private:
    void read_step(const json_place& place, int depth) {
        check_sequence_depth(place, depth);
        const json_place type = place.at("type");
        const std::string& name = type.string();
        if (name == "Sequence") {
            const json_place steps = place.at("decoders");
            for (std::size_t i = 0; i < steps.size(); ++i) read_step(steps.at(i), depth + 1);
        } else if (name == "Fuse") {
            fused_ = true;
        } else if (name == "Strip") {
            read_strip(place);
        } else if (fused_) {
            type.refuse(errc::unsupported, "only Strip after Fuse");
        } else if (name == "ByteFallback") {
            made_.bytes = true;
        } else if (name == "Replace") {
            const json_place from = place.at("pattern").at("String");
            if (from.is_null()) from.refuse(errc::unsupported, "a plain string");
            replace(from, from.string(), place.at("content").string());
        } else if (name == "Metaspace") {
            const json_place from = place.at("replacement");
            replace(from, from.string(), " ");
            made_.left_out.spaces_of_first = read_prefix(place) != metaspace::prefix::never;
        } else {
            type.refuse(errc::unsupported, "Replace, ByteFallback, Fuse, Strip, Metaspace or a Sequence of them");
        }
    }
    void replace(const json_place& place, const std::string& from, const std::string& to) {
        place.require(!from.empty(), "a non-empty text");
        place.require(to.size() <= 64 && made_.replacements.size() < 4, "few and short replacements");
        made_.replacements.emplace_back(from, to);
    }
    void read_strip(const json_place& place) {
        const json_place content = place.at("content");
        if (content.string() != " ") content.refuse(errc::unsupported, "a space");
        const json_place stop = place.at("stop");
        stop.require(stop.is_null() || stop.value().is_number_unsigned(), "a count");
        if (!stop.is_null() && stop.value().get<std::uint64_t>() != 0) stop.refuse(errc::unsupported, "0");
        if (!fused_) place.at("type").refuse(errc::unsupported, "Strip only after Fuse");
        const json_place start = place.at("start");
        start.require(start.value().is_number_unsigned() && start.value().get<std::uint64_t>() <= 1024,
                      "a count up to 1024");
        made_.left_out.spaces += start.value().get<std::size_t>();
        if (made_.left_out.spaces > 4096) place.refuse(errc::malformed_file, "fewer spaces to strip");
    }

    decoding made_;
    bool fused_ = false;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
