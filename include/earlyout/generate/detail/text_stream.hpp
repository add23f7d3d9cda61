// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_TEXT_STREAM_HPP
#define EARLYOUT_GENERATE_DETAIL_TEXT_STREAM_HPP

#include <earlyout/generate/detail/model_access.hpp>
#include <earlyout/generate/stop_matcher.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// The text of a completion: decoded token by token, cut before a stop string, shown as soon as it is
/// certain. A model without a tokenizer has none.
template <class Model>
class text_stream {
public:
    text_stream(const Model&, std::size_t) {}
    void restart(std::span<const std::string>) noexcept {}
    [[nodiscard]] bool push(token_id, bool) noexcept { return false; }
    void end() noexcept {}
    [[nodiscard]] std::string_view take_shown() noexcept { return {}; }
    [[nodiscard]] std::string_view text() const noexcept { return {}; }
    [[nodiscard]] std::string_view unshown() const noexcept { return {}; }
};

template <class Model>
    requires has_tokenizer<Model>
class text_stream<Model> {
public:
    /// @param tokens most tokens that one completion pushes
    text_stream(const Model& model, std::size_t tokens)
        : model_(&model), decoder_(continuation_stream(model.tokenizer())) {
        text_.reserve((tokens + 1) * model.tokenizer().max_piece_size());
    }

    void restart(std::span<const std::string> stop_strings) {
        matcher_ = stop_matcher(stop_strings);
        decoder_.reset();
        text_.clear();
        certain_ = shown_ = 0;
        ended_ = false;
    }

    /// Adds a token's text; special tokens and the end of text have none. Returns true when it completed a
    /// stop string, which is then cut off with everything behind it.
    bool push(token_id id, bool end_of_text) {
        if (end_of_text || model_->tokenizer().is_special(id)) return false;
        const std::size_t seen = text_.size();
        text_ += decoder_.push(id);
        const stop_matcher::answer a = matcher_.look(text_, seen);
        certain_ = a.shown;
        if (a.found) {
            text_.resize(a.shown);
            decoder_.reset();
        }
        return a.found;
    }
    /// Nothing more comes: all that is there is certain.
    void end() {
        if (std::exchange(ended_, true)) return;
        text_ += decoder_.finish();
        certain_ = text_.size();
    }
    /// What has become certain since the last call.
    [[nodiscard]] std::string_view take_shown() noexcept {
        const std::size_t from = std::exchange(shown_, certain_);
        return std::string_view(text_).substr(from, certain_ - from);
    }
    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    [[nodiscard]] std::string_view unshown() const noexcept { return std::string_view(text_).substr(shown_); }

private:
    const Model* model_;
    decltype(std::declval<const Model&>().tokenizer().stream()) decoder_;
    stop_matcher matcher_;
    std::string text_;
    std::size_t certain_ = 0;
    std::size_t shown_ = 0;
    bool ended_ = false;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
