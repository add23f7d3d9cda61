// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_TEXT_STREAM_HPP
#define EARLYOUT_GENERATE_DETAIL_TEXT_STREAM_HPP

#include <earlyout/generate/model.hpp>
#include <earlyout/generate/stop_matcher.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

[[noreturn]] inline void refuse_stop_strings() {
    fail(errc::invalid_argument, "stop strings: expected a model with a tokenizer, found one without");
}

/// The text of a completion: decoded token by token, cut before a stop string, shown as soon as it is final. A model
/// without a tokenizer has none.
///
/// Stop strings are searched for twice: in the text, and in the text including special tokens, which are not shown.
template <class Model>
class text_stream {
public:
    text_stream(const Model&, std::size_t) {}
    static void prepare(std::span<const std::string> stop_strings) {
        if (!stop_strings.empty()) refuse_stop_strings();
    }
    void restart(std::span<const std::string>) noexcept {}
    [[nodiscard]] bool push(token_id, bool) noexcept { return false; }
    void end() noexcept {}
    [[nodiscard]] std::string_view take_shown() noexcept { return {}; }
    [[nodiscard]] std::string_view text() const noexcept { return {}; }
    [[nodiscard]] std::string_view unshown() const noexcept { return {}; }
};

template <class Model>
    requires tokenizes<Model>
class text_stream<Model> {
public:
    /// @param tokens max tokens that one completion pushes
    text_stream(const Model& model, std::size_t tokens)
        : model_(&model), decoder_(continuation_stream(model.tokenizer())) {
        // A vocabulary with one enormous piece does not reserve its size for every token: its text allocates as needed.
        constexpr std::size_t max_reserved = std::size_t{1} << 26;
        text_.reserve(std::min((tokens + 1) * model.tokenizer().max_piece_size(), max_reserved));
    }

    /// Reserves the memory that restart() with these arguments needs, and changes nothing else.
    void prepare(std::span<const std::string> stop_strings) {
        const stop_matcher matcher(stop_strings);
        if (matcher.longest() == 0) return;
        if constexpr (requires { model_->has_tokenizer(); }) {
            if (!model_->has_tokenizer()) refuse_stop_strings();
        }
        // The possible start of a stop string, and a token with what its decoder held back.
        const std::size_t most = matcher.longest() + 2 * model_->tokenizer().max_piece_size() + max_held;
        recent_.reserve(most);
        recent_shown_.reserve(most);
    }
    /// @param stop_strings already prepared; must outlive the completion
    void restart(std::span<const std::string> stop_strings) {
        matcher_ = stop_matcher(stop_strings);
        decoder_.reset();
        text_.clear();
        recent_.clear();
        recent_shown_.clear();
        certain_ = shown_ = 0;
        ended_ = false;
    }

    /// Adds a token's text; special tokens and the end of text have none. Returns true when it completed a stop string,
    /// which is then cut off with everything after it.
    bool push(token_id id, bool end_of_text) {
        const bool special = model_->tokenizer().is_special(id);
        const std::size_t seen = text_.size();
        if (!special && !end_of_text) text_ += decoder_.push(id);
        stop_matcher::answer a = matcher_.look(text_, seen);
        if (matcher_.longest() != 0) {
            const stop_matcher::answer b = look_among_special(
                special ? text_of_special(id) : std::string_view(text_).substr(seen, text_.size() - seen), !special);
            if (a.found == b.found) {
                a.shown = std::min(a.shown, b.shown);
            } else if (b.found) {
                a = b;
            }
        }
        certain_ = a.shown;
        if (a.found) {
            // What the decoder holds back belongs after the text, but before a special token.
            if (!special || certain_ < text_.size()) decoder_.reset();
            text_.resize(certain_);
        }
        return a.found;
    }
    /// Marks the text as complete: all of it is final.
    void end() {
        if (std::exchange(ended_, true)) return;
        text_ += decoder_.finish();
        certain_ = text_.size();
    }
    /// Returns the text that became final since the last call.
    [[nodiscard]] std::string_view take_shown() noexcept {
        const std::size_t from = std::exchange(shown_, certain_);
        return std::string_view(text_).substr(from, certain_ - from);
    }
    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    [[nodiscard]] std::string_view unshown() const noexcept { return std::string_view(text_).substr(shown_); }

private:
    static constexpr std::size_t max_held = 3;  // bytes of a character that lacks one

    [[nodiscard]] std::string_view text_of_special(token_id id) const {
        if constexpr (requires { std::string_view(model_->tokenizer().piece(id)); }) {
            return model_->tokenizer().piece(id);
        } else {
            return {};
        }
    }
    /// Returns the matcher's result for the text including special tokens.
    stop_matcher::answer look_among_special(std::string_view added, bool shown) {
        const std::size_t seen = recent_.size();
        recent_ += added;
        recent_shown_.append(added.size(), shown ? '\1' : '\0');
        stop_matcher::answer a = matcher_.look(recent_, seen);
        const auto behind =
            std::count(recent_shown_.begin() + static_cast<std::ptrdiff_t>(a.shown), recent_shown_.end(), '\1');
        a.shown = text_.size() - static_cast<std::size_t>(behind);
        const std::size_t old = recent_.size() - std::min(recent_.size(), matcher_.longest() - 1);
        recent_.erase(0, old);
        recent_shown_.erase(0, old);
        return a;
    }

    const Model* model_;
    decltype(std::declval<const Model&>().tokenizer().stream()) decoder_;
    stop_matcher matcher_;
    std::string text_;
    std::string recent_;        // end of the text, including special tokens
    std::string recent_shown_;  // for each of its bytes, whether it is part of the shown text
    std::size_t certain_ = 0;
    std::size_t shown_ = 0;
    bool ended_ = false;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
