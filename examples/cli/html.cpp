// SPDX-License-Identifier: MIT
#include "html.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iomanip>
#include <iterator>
#include <sstream>

namespace cli {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

/// Bytes of the UTF-8 character that the text begins with; 0 when it begins with none (Unicode 15, table 3-7).
std::size_t character_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
    if ((first & 0xf0u) == 0xe0) {
        const bool overlong = first == 0xe0 && byte(1) < 0xa0;
        const bool surrogate = first == 0xed && byte(1) > 0x9f;
        return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const bool overlong = first == 0xf0 && byte(1) < 0x90;
        const bool beyond = first == 0xf4 && byte(1) > 0x8f;
        return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
    }
    return 0;
}

/// Those that have no content; others need an end tag even without.
bool is_empty_kind(std::string_view name) {
    constexpr std::string_view empty[] = {"meta", "br", "line", "rect", "circle", "polyline", "polygon"};
    return std::ranges::find(empty, name) != std::end(empty);
}

}  // namespace

std::string escape(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        const std::size_t length = character_length(text.substr(at));
        const bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
        if (length == 0 || control) {
            out += replacement;
        } else if (c == '<') {
            out += "&lt;";
        } else if (c == '>') {
            out += "&gt;";
        } else if (c == '&') {
            out += "&amp;";
        } else if (c == '"') {
            out += "&quot;";
        } else {
            out += text.substr(at, length);
        }
        at += std::max<std::size_t>(1, length);
    }
    return out;
}

std::string element(std::string_view name, std::initializer_list<attribute> attributes, std::string_view content) {
    std::string out = "<" + std::string(name);
    for (const attribute& a : attributes) {
        out.append(" ").append(a.name).append("=\"").append(escape(a.value)).append("\"");
    }
    if (content.empty() && is_empty_kind(name)) return out + "/>";
    return out.append(">").append(content).append("</").append(name).append(">");
}

std::string fixed_digits(double value, int digits) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(digits) << std::abs(value);
    const std::string number = std::move(text).str();
    const bool is_zero = number.find_first_not_of("0.") == std::string::npos;
    return value < 0.0 && !is_zero ? "\xe2\x88\x92" + number : number;
}

std::string percentage(double share, int digits) { return fixed_digits(100.0 * share, digits) + "\xe2\x80\xaf%"; }

std::string grouped(std::size_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
    return text;
}

}  // namespace cli
