// SPDX-License-Identifier: MIT
// What tokenizer.hpp declares.
#ifndef EARLYOUT_TEXT_DETAIL_TOKENIZER_INL_HPP
#define EARLYOUT_TEXT_DETAIL_TOKENIZER_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/parts_reader.hpp>
#include <earlyout/text/detail/tokenizer_data.hpp>
#include <earlyout/text/detail/tokenizer_file.hpp>
#include <earlyout/text/stream_decoder.hpp>
#include <earlyout/text/tokenizer.hpp>
#include <earlyout/text/tokenizer_parts.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text {

EARLYOUT_IO_INLINE tokenizer::tokenizer(std::string source) : tokenizer(without_tokens(std::move(source))) {}

EARLYOUT_IO_INLINE tokenizer tokenizer::from_json(std::string_view text, const std::string& source) {
    try {
        return tokenizer(detail::tokenizer_file::read(text, source));
    } catch (...) {
        earlyout::detail::rethrow_as_error(source);
    }
}

EARLYOUT_IO_INLINE tokenizer tokenizer::from_parts(tokenizer_parts parts) {
    return earlyout::detail::only_errors("tokenizer",
                                         [&] { return tokenizer(detail::parts_reader::read(std::move(parts))); });
}

EARLYOUT_IO_INLINE std::vector<token_id> tokenizer::encode(std::string_view text, const encode_options& options) const {
    std::vector<token_id> ids;
    if (options.add_special_tokens) ids.assign(tokens_before().begin(), tokens_before().end());
    if (!text.empty()) append(text, options, ids);
    if (options.add_special_tokens) ids.insert(ids.end(), data_->behind.begin(), data_->behind.end());
    return ids;
}

EARLYOUT_IO_INLINE std::vector<token_id> tokenizer::encode_plain(std::string_view text) const {
    return encode(text, {.special_tokens = false});
}

EARLYOUT_IO_INLINE std::span<const token_id> tokenizer::tokens_before() const noexcept {
    return before_ ? std::span<const token_id>(*before_) : data_->before;
}

EARLYOUT_IO_INLINE std::span<const token_id> tokenizer::tokens_behind() const noexcept { return data_->behind; }

EARLYOUT_IO_INLINE tokenizer tokenizer::with_tokens_before(std::vector<token_id> before) const {
    for (const token_id id : before) (void)piece(id);
    tokenizer made = *this;
    made.before_ = std::make_shared<const std::vector<token_id>>(std::move(before));
    return made;
}

EARLYOUT_IO_INLINE std::string tokenizer::decode(std::span<const token_id> ids) const {
    std::size_t size = 0;
    for (const token_id id : ids) size += piece(id).size();
    std::string text(size, '\0');
    detail::start_trimmer start(data_->left_out);
    size = 0;
    for (const token_id id : ids) size += start.copy(data_->words.piece(id), text.data() + size);
    text.resize(size);
    return text;
}

EARLYOUT_IO_INLINE std::string_view tokenizer::piece(token_id id) const {
    if (!data_->words.has(id)) {
        const bool inside = id >= 0 && static_cast<std::size_t>(id) < size();
        fail(errc::out_of_range, data_->source, ": token ", id, ": expected the id of a token, found ",
             inside ? "a gap in the vocabulary" : "one outside the vocabulary", ", which has ids from 0 to below ",
             size(), "; a model may have more, which are padding and no text");
    }
    return data_->words.piece(id);
}

EARLYOUT_IO_INLINE std::optional<token_id> tokenizer::find(std::string_view piece) const {
    return data_->words.find(piece);
}

EARLYOUT_IO_INLINE bool tokenizer::has(token_id id) const noexcept { return data_->words.has(id); }

EARLYOUT_IO_INLINE bool tokenizer::is_special(token_id id) const noexcept { return data_->words.is_special(id); }

EARLYOUT_IO_INLINE std::size_t tokenizer::size() const noexcept { return data_->words.size(); }

EARLYOUT_IO_INLINE std::size_t tokenizer::max_piece_size() const noexcept { return data_->words.max_piece_size(); }

EARLYOUT_IO_INLINE stream_decoder tokenizer::stream() const { return stream_decoder(words(), data_->left_out); }

EARLYOUT_IO_INLINE stream_decoder tokenizer::continuation_stream() const { return stream_decoder(words()); }

EARLYOUT_IO_INLINE tokenizer::tokenizer(detail::tokenizer_data data)
    : data_(std::make_shared<const detail::tokenizer_data>(std::move(data))) {}

EARLYOUT_IO_INLINE std::shared_ptr<const detail::vocabulary> tokenizer::words() const { return {data_, &data_->words}; }

EARLYOUT_IO_INLINE void tokenizer::append(std::string_view text, const encode_options& options,
                                          std::vector<token_id>& ids) const {
    if (data_->words.size() == 0) fail(errc::no_such_file, data_->source, ": there is no tokenizer to encode text");
    detail::normalize_runner normalize(data_->normalize);
    detail::split_runner words(data_->split);
    detail::word_merger merger(data_->merges, data_->symbols);
    const auto encode_word = [&](std::string_view word) {
        if (data_->ignore_merges) {
            if (const std::optional<token_id> whole = data_->whole_word(word)) return ids.push_back(*whole);
        }
        if (data_->whole_words) return ids.push_back(data_->symbols.unknown);
        merger.append(word, ids);
    };
    const auto prefix = [&](bool is_first) { return !(is_first && options.continues); };
    data_->added.split(
        text, options.special_tokens,
        [&](std::string_view part, bool is_first) { return normalize(part, prefix(is_first)); },
        [&](token_id id) { ids.push_back(id); },
        [&](std::string_view part, bool is_first) { words.each_word(part, is_first, prefix(is_first), encode_word); });
}

EARLYOUT_IO_INLINE detail::tokenizer_data tokenizer::without_tokens(std::string source) {
    detail::tokenizer_data data;
    data.source = std::move(source);
    return data;
}

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#endif
