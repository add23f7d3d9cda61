// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_STREAM_DECODER_HPP
#define EARLYOUT_TEXT_STREAM_DECODER_HPP

#include <earlyout/core/token.hpp>
#include <earlyout/text/detail/text_start.hpp>
#include <earlyout/text/detail/utf8.hpp>
#include <earlyout/text/detail/vocabulary.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text {

/// Decodes tokens as they arrive. A character (UTF-8) whose bytes are spread over tokens is held back until it is
/// complete; bytes that can no longer become a character pass through unchanged. The concatenation of what push() and
/// finish() return is what `tokenizer::decode` returns for the same tokens, byte for byte: so a space that encoding
/// puts before every text is omitted at the start, unless the text is a continuation.
class stream_decoder {
public:
    /// Usually made by `tokenizer::stream()`.
    /// @param left_out at the start of the text
    explicit stream_decoder(std::shared_ptr<const detail::vocabulary> words, const detail::text_start& left_out = {})
        : words_(std::move(words)),
          left_out_(left_out),
          start_(left_out),
          buffer_(words_->max_piece_size() + max_held) {}

    /// Returns the text that is certain after this token; empty for an unknown id. Does not allocate.
    /// @return valid until the next call of any member that is not const
    [[nodiscard]] std::string_view push(token_id id) noexcept {
        drop_shown();
        size_ += start_.copy(words_->piece(id), buffer_.data() + size_);
        shown_ = size_ - detail::incomplete_utf8_suffix({buffer_.data(), size_});
        return {buffer_.data(), shown_};
    }
    /// Returns what was held back. The next push() begins a new text.
    /// @return valid until the next call of any member that is not const
    [[nodiscard]] std::string_view finish() noexcept {
        drop_shown();
        shown_ = size_;
        start_ = detail::start_trimmer(left_out_);
        return {buffer_.data(), shown_};
    }
    /// Discards what was held back. The next push() begins a new text.
    void reset() noexcept {
        size_ = shown_ = 0;
        start_ = detail::start_trimmer(left_out_);
    }

private:
    static constexpr std::size_t max_held = 3;  // bytes of an incomplete character

    void drop_shown() noexcept {
        size_ -= shown_;
        std::memmove(buffer_.data(), buffer_.data() + shown_, size_);
        shown_ = 0;
    }

    std::shared_ptr<const detail::vocabulary> words_;
    detail::text_start left_out_;
    detail::start_trimmer start_;
    std::vector<char> buffer_;  // what was returned last, then what is held back
    std::size_t size_ = 0;
    std::size_t shown_ = 0;
};

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#endif
