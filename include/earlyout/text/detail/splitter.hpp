// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_SPLITTER_HPP
#define EARLYOUT_TEXT_DETAIL_SPLITTER_HPP

#include <earlyout/text/detail/pattern.hpp>
#include <earlyout/text/detail/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Treatment of a pattern's matches when a text is split at them; Hugging Face's names and meanings.
enum class split_behavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// One step of splitting a text into words.
struct split_step {
    pattern at;
    split_behavior behavior = split_behavior::isolated;
    bool invert = false;  ///< the text between the matches counts as match
};

/// Replaces spaces by another character, usually U+2581, and may put one before a text: Hugging Face's Metaspace.
struct metaspace {
    enum class prefix { always, first, never };

    std::string replacement;
    prefix before = prefix::always;  ///< which of those without one get one: each part, the first of a text, none
    bool split = true;               ///< cut before each
};

/// How a text is split into the words that are encoded separately.
struct splitter {
    std::vector<split_step> steps;    ///< each splits the output of the previous one
    bool add_prefix_space = false;    ///< before the last step, to each part that does not begin with a space
    bool prefix_before_last = false;  ///< the last step comes after the prefix; else the prefix comes last
    std::optional<metaspace> spaces;  ///< after the other steps, except:
    std::size_t behind_spaces = 0;    ///< how many of the last steps come after the spaces
};

/// Splits texts; for one thread.
class split_runner {
public:
    explicit split_runner(const splitter& how) : how_(&how) {
        for (const split_step& step : how.steps) matchers_.emplace_back(step.at);
    }

    /// Calls word(std::string_view) for each word of `text`, any bytes, from left to right. Patterns are applied to the
    /// runs of valid UTF-8; each run of invalid bytes is a separate part.
    /// @param is_first whether `text` is the start of what is encoded
    /// @param prefix   whether the prefix of a text is added to this one
    template <class Word>
    void each_word(std::string_view text, bool is_first, bool prefix, Word&& word) {
        const std::size_t plain = how_->steps.size() - how_->behind_spaces - (how_->prefix_before_last ? 1 : 0);
        parts_.assign(text.empty() ? 0 : 1, text);
        for (std::size_t step = 0; step < plain; ++step) {
            split_.clear();
            for (const std::string_view part : parts_) split(step, part);
            std::swap(parts_, split_);
        }
        for (std::size_t i = 0; i < parts_.size(); ++i) {
            const bool first_part = is_first && i == 0 && parts_[i].data() == text.data();
            const bool may_prefix = prefix || i > 0;
            if (how_->spaces) {
                each_spaced(parts_[i], first_part, may_prefix, word);
                continue;
            }
            const std::string_view whole = may_prefix ? with_prefix(parts_[i]) : parts_[i];
            if (!how_->prefix_before_last) {
                word(whole);
                continue;
            }
            split_.clear();
            split(plain, whole);
            for (const std::string_view one : split_) word(one);
        }
    }

private:
    struct range {
        std::string_view text;
        bool is_match;
    };

    template <class Word>
    void each_spaced(std::string_view part, bool is_first, bool may_prefix, Word&& word) {
        const metaspace& how = *how_->spaces;
        std::string& out = prefixed_;
        out.clear();
        const bool wanted =
            how.before == metaspace::prefix::always || (how.before == metaspace::prefix::first && is_first);
        if (wanted && may_prefix && !part.starts_with(' ') && !part.starts_with(how.replacement)) out = how.replacement;
        for (const char c : part) {
            if (c == ' ') {
                out += how.replacement;
            } else {
                out += c;
            }
        }
        std::string_view rest = out;
        while (how.split && !rest.empty()) {
            const std::size_t next = std::min(rest.find(how.replacement, 1), rest.size());
            each_behind_spaces(rest.substr(0, next), word);
            rest.remove_prefix(next);
        }
        if (!rest.empty()) each_behind_spaces(rest, word);
    }
    template <class Word>
    void each_behind_spaces(std::string_view part, Word& word) {
        if (how_->behind_spaces == 0) return word(part);
        spaced_.assign(1, part);
        for (std::size_t step = how_->steps.size() - how_->behind_spaces; step < how_->steps.size(); ++step) {
            split_.clear();
            for (const std::string_view one : spaced_) split(step, one);
            std::swap(spaced_, split_);
        }
        for (const std::string_view one : spaced_) word(one);
    }
    std::string_view with_prefix(std::string_view part) {
        if (!how_->add_prefix_space || part.starts_with(' ')) return part;
        prefixed_.assign(1, ' ').append(part);
        return prefixed_;
    }

    /// Appends the parts of `text` to split_.
    void split(std::size_t step, std::string_view text) {
        while (!text.empty()) {
            const std::size_t valid = valid_utf8_prefix(text);
            if (valid > 0) split_valid(step, text.substr(0, valid));
            text.remove_prefix(valid);
            std::size_t invalid = 0;
            while (invalid < text.size() && !look_at_utf8(text.substr(invalid)).complete()) ++invalid;
            if (invalid > 0) split_.push_back(text.substr(0, invalid));
            text.remove_prefix(invalid);
        }
    }
    void split_valid(std::size_t step, std::string_view text) {
        ranges_.clear();
        std::size_t end = 0;
        matchers_[step].each_match(text, [&](const pattern_matcher::match& m) {
            if (end != m.begin) ranges_.push_back({text.substr(end, m.begin - end), false});
            ranges_.push_back({text.substr(m.begin, m.end - m.begin), true});
            end = m.end;
        });
        if (end != text.size()) ranges_.push_back({text.substr(end), false});
        if (how_->steps[step].invert) {
            for (range& r : ranges_) r.is_match = !r.is_match;
        }
        join(how_->steps[step].behavior);
        for (const range& r : ranges_) {
            if (!r.text.empty()) split_.push_back(r.text);
        }
    }
    /// Merges matches with their neighbours, or removes them.
    void join(split_behavior behavior) {
        switch (behavior) {
            case split_behavior::isolated: return;
            case split_behavior::removed: std::erase_if(ranges_, [](const range& r) { return r.is_match; }); return;
            case split_behavior::contiguous:
                return fold([](const range& before, const range& r) { return before.is_match == r.is_match; });
            case split_behavior::merged_with_previous:
                return fold([](const range& before, const range& r) { return r.is_match && !before.is_match; });
            case split_behavior::merged_with_next:
                return fold([](const range& before, const range& r) { return before.is_match && !r.is_match; });
        }
    }
    /// Joins each range to the previous one if joined(before, range) is true.
    template <class Joined>
    void fold(Joined joined) {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < ranges_.size(); ++i) {
            if (i > 0 && joined(previous_, ranges_[i])) {
                previous_ = ranges_[i];
                std::string_view& before = ranges_[kept - 1].text;
                before = {before.data(), before.size() + ranges_[i].text.size()};
            } else {
                previous_ = ranges_[i];
                ranges_[kept++] = ranges_[i];
            }
        }
        ranges_.resize(kept);
    }

    const splitter* how_;
    std::vector<pattern_matcher> matchers_;
    std::vector<std::string_view> parts_;
    std::vector<std::string_view> split_;
    std::vector<std::string_view> spaced_;
    std::vector<range> ranges_;
    range previous_{};
    std::string prefixed_;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
