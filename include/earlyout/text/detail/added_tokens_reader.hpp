// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_ADDED_TOKENS_READER_HPP
#define EARLYOUT_TEXT_DETAIL_ADDED_TOKENS_READER_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/text/control_names.hpp>
#include <earlyout/text/detail/added_tokens.hpp>
#include <earlyout/text/detail/json_place.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Reads the `added_tokens` of a tokenizer file as Hugging Face's library does. A token in the vocabulary has its id
/// there. Any other one gets the next id, whatever id it is listed with: the size of the vocabulary, or one more than
/// the highest so far. So a list with gaps has none when it is read, and an id may be that of a piece of a vocabulary
/// with gaps. Of a token that is listed twice the last settings count, and it is special if one of the two is.
class added_tokens_reader {
public:
    /// @param vocab   an object: the ids of the pieces
    /// @param read_id reads one of these: read_id(value, name) -> token_id
    template <class ReadId>
    [[nodiscard]] static std::vector<added_token> read(const json_place& place, const json& vocab,
                                                       const ReadId& read_id) {
        added_tokens_reader reader(vocab.size());
        const std::size_t count = place.is_null() ? 0 : place.size();
        reader.added_.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            const json_place entry = place.at(i);
            const json_place id = entry.at("id");
            id.require(id.value().is_number_unsigned() && id.value().get<std::uint64_t>() <= 0xffffffff, "an id");
            added_token token = settings_of(entry);
            if (token.content.empty()) continue;
            const auto listed = vocab.find(token.content);
            const bool known = listed != vocab.end();
            if (known) token.id = read_id(*listed, [&] { return entry.name(); });
            reader.add(std::move(token), known);
        }
        return std::move(reader.added_);
    }

private:
    explicit added_tokens_reader(std::size_t vocabulary_size) : next_(static_cast<token_id>(vocabulary_size)) {}

    [[nodiscard]] static added_token settings_of(const json_place& entry) {
        const json_place content = entry.at("content");
        // The search for them takes time that grows with the longest.
        content.require(content.string().size() <= 1024, "at most 1024 bytes");
        return {.content = content.string(),
                .id = 0,
                .special = entry.at("special").boolean(false) || is_added_control_name(content.string()),
                .single_word = entry.at("single_word").boolean(false),
                .lstrip = entry.at("lstrip").boolean(false),
                .rstrip = entry.at("rstrip").boolean(false),
                .normalized = entry.at("normalized").boolean(true)};
    }
    void add(added_token token, bool known) {
        const auto [place, is_new] = at_.emplace(token.content, added_.size());
        if (!is_new) {
            added_token& earlier = added_[place->second];
            token.id = earlier.id;
            token.special |= earlier.special;
            earlier = std::move(token);
            return;
        }
        if (!known) token.id = next_;
        next_ = std::max(next_, token.id + 1);
        added_.push_back(std::move(token));
    }

    std::vector<added_token> added_;
    std::unordered_map<std::string, std::size_t> at_;  // by content, into added_
    token_id next_;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
