// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_PATTERN_DIALECT_HPP
#define EARLYOUT_TEXT_DETAIL_PATTERN_DIALECT_HPP

#include <earlyout/core/error.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

/// Rewrites an expression of Oniguruma, the engine that tokenizer files are written for, where PCRE2 would accept it
/// with another meaning:
/// - \s is Unicode's White_Space (PCRE2 adds U+180E), \w has marks and connectors, \h is a hexadecimal digit;
/// - {1,3}+ repeats the group, where PCRE2 sees a possessive quantifier: refused;
/// - [a[b]] and [a&&b] are unions and intersections of sets: refused.
/// \uHHHH, which PCRE2 lacks, is rewritten too.
class pattern_dialect {
public:
    /// @throws error (unsupported) with `where` as prefix
    [[nodiscard]] static std::string to_pcre2(std::string_view expression, const std::string& where) {
        pattern_dialect reader(expression, where);
        while (reader.at_ < expression.size()) reader.step();
        return std::move(reader.out_);
    }

private:
    pattern_dialect(std::string_view in, const std::string& where) : in_(in), where_(where) {}

    [[nodiscard]] bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }
    void copy(std::size_t count) {
        out_ += in_.substr(at_, count);
        at_ += count;
    }
    [[noreturn]] void refuse(std::string_view what) const {
        fail(errc::unsupported, where_, ": expected a pattern without ", what, ", found it at byte ", at_);
    }

    void step() {
        if (in_[at_] == '\\') return escape();
        if (in_class_) return inside_class();
        if (in_[at_] == '[') {
            in_class_ = true;
            copy(next_is("[^") ? 2 : 1);
            if (next_is("]")) refuse("a ']' that opens a class");
        } else if (next_is("}+")) {
            refuse("'+' after '}'");
        } else {
            copy(1);
        }
    }
    void inside_class() {
        if (next_is("[:")) {
            const std::size_t end = in_.find(":]", at_);
            if (end == std::string_view::npos) refuse("a '[:' that is not closed");
            return copy(end + 2 - at_);
        }
        if (next_is("[")) refuse("a class within a class");
        if (next_is("&&")) refuse("'&&' in a class");
        if (in_[at_] == ']') in_class_ = false;
        copy(1);
    }

    /// Returns the content of an equivalent bracketed class; empty for another letter.
    [[nodiscard]] static std::string_view members(char lower_case) {
        switch (lower_case) {
            case 's': return R"(\t-\r\x{85}\p{Z})";
            case 'w': return R"(\p{L}\p{Nl}\p{M}\p{Nd}\p{Pc})";
            case 'h': return "0-9a-fA-F";
            default: return {};
        }
    }
    void escape() {
        if (at_ + 1 >= in_.size()) refuse("a '\\' at its end");
        const char letter = in_[at_ + 1];
        const bool negated = letter >= 'A' && letter <= 'Z';
        const std::string_view set = members(negated ? static_cast<char>(letter - 'A' + 'a') : letter);
        if (letter == 'u') return code_point();
        if (letter == 'Q') refuse("'\\Q'");
        if (set.empty()) return copy_escape(letter);
        if (in_class_ && negated && letter != 'S') refuse("a negated escape in a class");
        if (in_class_ && negated) return copy(2);  // differs only in U+180E
        if (!in_class_) out_ += negated ? "[^" : "[";
        out_ += set;
        if (!in_class_) out_ += ']';
        at_ += 2;
    }
    /// Copies an escape with the name or number that belongs to it: \p{L}, \x{61}.
    void copy_escape(char letter) {
        const bool braced =
            std::string_view("pPxo").find(letter) != std::string_view::npos && in_.substr(at_ + 2).starts_with('{');
        const std::size_t end = braced ? in_.find('}', at_) : at_ + 1;
        if (end == std::string_view::npos) refuse("a '{' that is not closed");
        copy(end + 1 - at_);
    }
    void code_point() {
        const std::string_view digits = in_.substr(at_ + 2, 4);
        if (digits.size() < 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
            refuse("'\\u' without four digits");
        }
        out_ += "\\x{";
        out_ += digits;
        out_ += '}';
        at_ += 6;
    }

    std::string_view in_;
    const std::string& where_;
    std::string out_;
    std::size_t at_ = 0;
    bool in_class_ = false;
};

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
