// SPDX-License-Identifier: MIT
#include "text_filter.hpp"

#include <algorithm>
#include <utility>

namespace serve {

namespace {

constexpr std::size_t npos = std::string::npos;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool is_word(char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u == '_' || u >= 0x80;
}
bool has_letters(std::string_view text) { return std::ranges::any_of(text, is_word); }
std::string_view trimmed(std::string_view line) {
    while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
    return line;
}
std::size_t indentation(std::string_view line) { return std::min(line.find_first_not_of(" \t"), line.size()); }

/// Takes the next line that is not blank off a text.
std::string next_line(std::string_view& text) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = trimmed(text.substr(0, end));
        text = end == npos ? std::string_view() : text.substr(end + 1);
        if (!line.empty()) return std::string(line);
    }
    return {};
}

}  // namespace

text_filter::text_filter(std::size_t n_indent, std::string_view typed, std::string_view suffix)
    : n_indent_(n_indent), typed_(typed) {
    const std::size_t end = suffix.find('\n');
    rest_ = trimmed(suffix.substr(0, end));
    std::string_view lines = end == npos ? std::string_view() : suffix.substr(end + 1);
    first_ = next_line(lines);
    second_ = next_line(lines);
}

std::string text_filter::push(std::string_view piece) {
    if (ended_ || piece.empty()) return {};
    has_new_line_ = has_new_line_ || piece.find('\n') != npos;
    text_ += piece;
    scan(false);
    return show(certain_);
}

std::string text_filter::finish() {
    if (!ended_) {
        scan(true);
        certain_ = text_.size();
    }
    return show(certain_);
}

void text_filter::scan(bool last) {
    while (!ended_) {
        const std::size_t end = text_.find('\n', line_);
        if (end == npos) {
            check_line(text_.size(), false, last);
            return;
        }
        check_line(end, true, last);
        if (!ended_) line_ = end + 1;
    }
}

/// Applies the rules to the line that ends at `end`, so far or for good.
void text_filter::check_line(std::size_t end, bool complete, bool last) {
    const std::string_view line = std::string_view(text_).substr(line_, end - line_);
    const bool certain = complete || last;
    certain_ = end;
    if (line_ != 0 && indentation(line) < n_indent_) {
        if (complete || indentation(line) < line.size()) return end_at(before_line());
        certain_ = before_line();
    }
    check_doubt(trimmed(line), complete, last);
    if (ended_) return;

    // The first line continues what was typed: a line of its own only where that is blank.
    const std::string whole = line_ == 0 ? typed_ + std::string(line) : std::string(line);
    const bool is_own = line_ != 0 || trimmed(typed_).empty();
    if (is_own && !first_.empty()) {
        if (!certain && first_.starts_with(whole)) certain_ = std::min(certain_, before_line());
        if (trimmed(whole) == first_) {
            if (last || (complete && has_letters(first_))) return end_at(before_line());
            certain_ = std::min(certain_, before_line());
            if (complete && doubted_ == npos) doubted_ = before_line();
        }
    }
    if (!rest_.empty()) {
        if (certain && repeats_rest(line_, line_ + trimmed(line).size())) {
            return end_at(line_ + trimmed(line).size() - rest_.size());
        }
        if (!complete) certain_ = std::min(certain_, end - possible_rest(line));
    }
    if (doubted_ != npos) certain_ = std::min(certain_, doubted_);
}

/// Settles whether the line without letters before this one was a repetition. A blank line settles nothing.
void text_filter::check_doubt(std::string_view line, bool complete, bool last) {
    if (doubted_ == npos) return;
    if (line.empty()) {
        if (last) end_at(doubted_);
    } else if ((complete || last) && line == second_) {
        end_at(doubted_);
    } else if (complete || last || !second_.starts_with(line)) {
        doubted_ = npos;
    }
}

bool text_filter::repeats_rest(std::size_t begin, std::size_t end) const {
    const std::string_view line = std::string_view(text_).substr(begin, end - begin);
    if (!line.ends_with(rest_)) return false;
    if (!has_letters(rest_)) return !opened_itself(end);
    const std::size_t at = end - rest_.size();
    const char before = at != 0 ? text_[at - 1] : typed_.empty() ? ' ' : typed_.back();
    return !(is_word(rest_.front()) && is_word(before));
}

/// Returns whether every bracket and quote that the rest closes was opened in the text.
bool text_filter::opened_itself(std::size_t end) const {
    const std::string_view text = std::string_view(text_).substr(0, end);
    bool closes = false;
    for (const auto& [open, close] : {std::pair('(', ')'), std::pair('[', ']'), std::pair('{', '}')}) {
        if (rest_.find(close) == npos) continue;
        closes = true;
        if (std::ranges::count(text, close) > std::ranges::count(text, open)) return false;
    }
    for (const char quote : {'"', '\'', '`'}) {
        if (rest_.find(quote) == npos) continue;
        closes = true;
        if (std::ranges::count(text, quote) % 2 != 0) return false;
    }
    return closes;
}

/// Returns the length of the longest end of an incomplete line with which the rest begins, or the rest and blanks.
std::size_t text_filter::possible_rest(std::string_view line) const noexcept {
    const std::size_t blanks = line.size() - trimmed(line).size();
    if (trimmed(line).ends_with(rest_)) return rest_.size() + blanks;
    for (std::size_t length = std::min(rest_.size(), line.size()); length != 0; --length) {
        if (rest_.starts_with(line.substr(line.size() - length))) return length;
    }
    return 0;
}

void text_filter::end_at(std::size_t size) {
    text_.resize(std::max(size, shown_));
    certain_ = text_.size();
    ended_ = true;
}

std::string text_filter::show(std::size_t certain) {
    if (certain <= shown_) return {};
    std::string made = text_.substr(shown_, certain - shown_);
    shown_ = certain;
    return made;
}

}  // namespace serve
