// SPDX-License-Identifier: MIT
#include "serve/text_filter.hpp"

#include <ostream>
#include <string>
#include <string_view>

#include "support/catch.hpp"

using serve::text_filter;

namespace {

struct filtered {
    std::string text;
    bool ended = false;
    bool operator==(const filtered&) const = default;
};
std::ostream& operator<<(std::ostream& out, const filtered& f) {
    return out << '"' << f.text << '"' << (f.ended ? " ended" : "");
}

/// The same for every way of cutting the text into pieces, or a message.
filtered filter(std::string_view text, std::size_t n_indent, std::string_view typed, std::string_view suffix) {
    filtered first;
    for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, text.size() + 1}) {
        text_filter by(n_indent, typed, suffix);
        filtered made;
        for (std::size_t at = 0; at < text.size() && !by.ended(); at += size)
            made.text += by.push(text.substr(at, size));
        made.text += by.finish();
        made.ended = by.ended();
        if (size == 1) first = made;
        if (made != first) return {"pieces of " + std::to_string(size) + " give " + made.text, made.ended};
    }
    return first;
}

}  // namespace

TEST_CASE("without rules a text passes at once", "[serve][text_filter]") {
    text_filter by;
    CHECK(by.push("a\n") == "a\n");
    CHECK(by.has_new_line());
    CHECK(by.push("b") == "b");
    CHECK(by.finish().empty());
    CHECK_FALSE(by.ended());
}

TEST_CASE("a line that is indented too little ends the text before it", "[serve][text_filter]") {
    CHECK(filter("a\n    b\n  c\n    d", 4, "", "") == filtered{"a\n    b", true});
    CHECK(filter("a\n\t\tb\n\tc", 2, "", "") == filtered{"a\n\t\tb", true});
    CHECK(filter("a\n    b\n", 4, "", "") == filtered{"a\n    b\n", false});
    CHECK(filter("a\n\n    b", 4, "", "") == filtered{"a", true});
    CHECK(filter("a\nb", 0, "", "") == filtered{"a\nb", false});
    CHECK(filter("a", 4, "", "") == filtered{"a", false});
}

TEST_CASE("a text ends before it repeats the next line of the suffix", "[serve][text_filter]") {
    CHECK(filter("1\n    return x\n", 0, "    x = ", "\n    return x\n") == filtered{"1", true});
    CHECK(filter("1\n    return x", 0, "    x = ", "\n    return x\n") == filtered{"1", true});
    CHECK(filter("1\n    return xs\n", 0, "    x = ", "\n    return x\n") == filtered{"1\n    return xs\n", false});
    CHECK(filter("1\n  return x\n", 0, "    x = ", "\n    return x\n") == filtered{"1\n  return x\n", false});
    CHECK(filter("1\n\nb = 2\nc\n", 0, "a = ", "\n\n\nb = 2\n") == filtered{"1\n", true});
    // The first line is one of its own only behind blanks.
    CHECK(filter("return x\n", 0, "    ", "\n    return x\n") == filtered{"", true});
    CHECK(filter("1\n", 0, "x = ", "\nx = 1\n") == filtered{"1\n", false});
    CHECK(filter("1\r\n    return x\r\n", 0, "    x = ", "\n    return x\r\n") == filtered{"1\r", true});
}

TEST_CASE("a repeated line without letters counts at the end, or with the line after it", "[serve][text_filter]") {
    const std::string_view suffix = "\n}\n\nint main() {\n";
    CHECK(filter("a;\n}", 0, "  ", suffix) == filtered{"a;", true});
    CHECK(filter("a;\n}\n", 0, "  ", suffix) == filtered{"a;", true});
    CHECK(filter("a;\n}\n\n", 0, "  ", suffix) == filtered{"a;", true});
    CHECK(filter("a;\n}\n\nint main() {\nb", 0, "  ", suffix) == filtered{"a;", true});
    CHECK(filter("a;\n}\n\nint f() {\n  b;\n}", 0, "  ", suffix) == filtered{"a;\n}\n\nint f() {\n  b;", true});
    CHECK(filter("a;\n}\nb", 0, "  ", suffix) == filtered{"a;\n}\nb", false});
}

TEST_CASE("a text ends before it repeats the rest of the cursor's line", "[serve][text_filter]") {
    CHECK(filter("i in items:\n", 0, "for ", " in items:\n  x\n") == filtered{"i", true});
    CHECK(filter("i in items:", 0, "for ", " in items:\n  x\n") == filtered{"i", true});
    CHECK(filter("i in items", 0, "for ", " in items:\n  x\n") == filtered{"i in items", false});
    CHECK(filter("a, b)", 0, "f(", ")\n") == filtered{"a, b", true});
    CHECK(filter("a, g(b)", 0, "f(", ")\n") == filtered{"a, g(b)", false});
    CHECK(filter("a, g(b))\n", 0, "f(", ")\n") == filtered{"a, g(b)", true});
    CHECK(filter("hello\"", 0, "\"", "\"\n") == filtered{"hello", true});
    CHECK(filter("x + \"a\"", 0, "f(", "\"\n") == filtered{"x + \"a\"", false});
    CHECK(filter("1;", 0, "x = ", ";\n") == filtered{"1", true});
    // A word's end is no repetition.
    CHECK(filter("data", 0, "x = ", "a\n") == filtered{"data", false});
    CHECK(filter("1, a", 0, "x = ", "a\n") == filtered{"1, ", true});
    CHECK(filter("", 0, "x = ", "a\n") == filtered{"", false});
}

TEST_CASE("what may yet be cut is held back, and no more", "[serve][text_filter]") {
    text_filter by(0, "x = ", ";\n    return x\n");
    CHECK(by.push("1 + ") == "1 + ");
    CHECK(by.push("2;").substr(0, 1) == "2");
    CHECK(by.push(" // c") == "; // c");
    CHECK(by.push("\n").empty());
    CHECK(by.push("    ret").empty());
    CHECK(by.push("ain") == "\n    retain");
    CHECK(by.finish().empty());
    CHECK_FALSE(by.ended());
}
