// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_POST_PROCESSOR_HPP
#define EARLYOUT_TEXT_DETAIL_POST_PROCESSOR_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/json_place.hpp>
#include <earlyout/text/detail/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// The tokens around a text.
struct text_ends {
    std::vector<token_id> before;
    std::vector<token_id> behind;
};

/// Reads the `post_processor` of a tokenizer file: TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel,
/// which adds nothing, and Sequences of them, each wrapping the output of the previous one.
class post_processor_reader {
public:
    [[nodiscard]] static text_ends read(const json_place& place, const vocabulary& words) {
        post_processor_reader reader(words);
        if (!place.is_null()) reader.read_step(place, 0);
        return std::move(reader.made_);
    }

private:
    explicit post_processor_reader(const vocabulary& words) : words_(&words) {}

    void read_step(const json_place& place, int depth) {
        check_sequence_depth(place, depth);
        const json_place type = place.at("type");
        const std::string& name = type.string();
        if (name == "Sequence") {
            const json_place steps = place.at("processors");
            for (std::size_t i = 0; i < steps.size(); ++i) read_step(steps.at(i), depth + 1);
        } else if (name == "TemplateProcessing") {
            read_template(place);
        } else if (name == "BertProcessing" || name == "RobertaProcessing") {
            put_around({.before = {read_pair(place.at("cls"))}, .behind = {read_pair(place.at("sep"))}}, place);
        } else if (name != "ByteLevel") {
            type.refuse(errc::unsupported,
                        "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or a Sequence of them");
        }
    }
    void read_template(const json_place& place) {
        const json_place single = place.at("single");
        text_ends ends;
        bool behind = false;
        for (std::size_t i = 0; i < single.size(); ++i) {
            const json_place part = single.at(i);
            if (const json_place text = part.at("Sequence"); !text.is_null()) {
                if (behind || text.at("id").string() != "A") text.refuse(errc::unsupported, "the text A once");
                behind = true;
                continue;
            }
            const json_place name = part.at("SpecialToken").at("id");
            const json_place ids = place.at("special_tokens").at(name.string().c_str()).at("ids");
            for (std::size_t k = 0; k < ids.size(); ++k) {
                (behind ? ends.behind : ends.before).push_back(read_id(ids.at(k)));
            }
        }
        if (!behind) single.refuse(errc::unsupported, "the text A once");
        put_around(std::move(ends), place);
    }
    /// ["<s>", 0]
    [[nodiscard]] token_id read_pair(const json_place& place) const {
        place.require(place.size() == 2, "a token and its id");
        return read_id(place.at(std::size_t{1}));
    }
    [[nodiscard]] token_id read_id(const json_place& place) const {
        const json& value = place.value();
        const bool is_id = value.is_number_unsigned() &&
                           value.get<std::uint64_t>() <= std::numeric_limits<token_id>::max() &&
                           words_->has(static_cast<token_id>(value.get<std::uint64_t>()));
        place.require(is_id, "an id of the vocabulary");
        return static_cast<token_id>(value.get<std::uint64_t>());
    }
    void put_around(text_ends ends, const json_place& place) {
        ends.before.insert(ends.before.end(), made_.before.begin(), made_.before.end());
        made_.before = std::move(ends.before);
        made_.behind.insert(made_.behind.end(), ends.behind.begin(), ends.behind.end());
        place.require(made_.before.size() + made_.behind.size() <= 1024, "at most 1024 tokens around a text");
    }

    const vocabulary* words_;
    text_ends made_;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
