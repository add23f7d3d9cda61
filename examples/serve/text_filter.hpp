// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_TEXT_FILTER_HPP
#define EARLYOUT_EXAMPLES_SERVE_TEXT_FILTER_HPP

#include <cstddef>
#include <string>
#include <string_view>

namespace serve {

/// Ends a completion whose text goes where an editor does not want it, and tells how much of the text is certain:
///
/// - a line after the first that is indented by fewer than n blanks or tabs is not part of the text, nor is anything
///   after it;
/// - where the text begins to repeat what follows the cursor, it ends: before a line that equals the next full line
///   of the suffix, or before the rest of the cursor's line.
///
/// A repetition without letters or digits, such as `}` or `)`, is often right: a line of that kind counts if the text
/// ends with it or goes on with the suffix's line after it; a rest of that kind unless the text opened what it closes.
class text_filter {
public:
    text_filter() = default;
    /// @param n_indent of each line after the first; 0: any
    /// @param typed    what the cursor's line has before the cursor
    /// @param suffix   text behind the cursor; empty: repetitions are not looked for
    text_filter(std::size_t n_indent, std::string_view typed, std::string_view suffix);

    /// Adds generated text; returns what has become certain.
    [[nodiscard]] std::string push(std::string_view piece);
    /// Ends the text; returns the rest of it.
    [[nodiscard]] std::string finish();

    /// Returns whether the text ended by a rule: what follows is not part of it.
    [[nodiscard]] bool ended() const noexcept { return ended_; }
    /// Returns whether a newline was generated.
    [[nodiscard]] bool has_new_line() const noexcept { return has_new_line_; }

private:
    void scan(bool last);
    void check_line(std::size_t end, bool complete, bool last);
    void check_doubt(std::string_view line, bool complete, bool last);
    [[nodiscard]] bool repeats_rest(std::size_t begin, std::size_t end) const;
    [[nodiscard]] bool opened_itself(std::size_t end) const;
    [[nodiscard]] std::size_t possible_rest(std::string_view line) const noexcept;
    [[nodiscard]] std::size_t before_line() const noexcept { return line_ == 0 ? 0 : line_ - 1; }
    void end_at(std::size_t size);
    [[nodiscard]] std::string show(std::size_t certain);

    std::size_t n_indent_ = 0;
    std::string typed_;
    std::string rest_;    // of the cursor's line, without blanks at its end; empty: none
    std::string first_;   // next full line of the suffix that is not blank
    std::string second_;  // the one after it
    std::string text_;
    std::size_t line_ = 0;     // where the current line begins
    std::size_t certain_ = 0;  // bytes that no rule can take back
    std::size_t shown_ = 0;
    std::size_t doubted_ = std::string::npos;  // where the text ends if it repeats a line without letters
    bool ended_ = false;
    bool has_new_line_ = false;
};

}  // namespace serve

#endif
