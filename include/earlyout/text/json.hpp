// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_JSON_HPP
#define EARLYOUT_TEXT_JSON_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/text/foreign.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text {

using json = nlohmann::json;

/// A JSON value behind a name that may be declared without the JSON library.
struct json_object {
    // NOLINTNEXTLINE(google-explicit-constructor): converts from the library's type
    json_object(json of) : value(std::move(of)) {}
    json value;
};

/// Returns an error message of the JSON library, without its own numbering and at most one line long.
[[nodiscard]] inline std::string short_reason(std::string_view reason) {
    if (const std::size_t end = reason.find("] "); reason.starts_with('[') && end != std::string_view::npos) {
        reason.remove_prefix(end + 2);
    }
    return earlyout::detail::printable(reason);
}

/// Treatment of duplicate keys in one object.
enum class repeated_key {
    refused,
    last_counts  ///< as in Python's json, which reads and writes most model files
};

/// Returns the text with NaN, Infinity and -Infinity, which Python's json writes, as strings: no number is expected
/// where one of them would be valid, but they may occur in members that are never read.
[[nodiscard]] inline std::string quote_not_finite(std::string_view text) {
    std::string made;
    made.reserve(text.size() + 64);
    for (bool in_string = false; !text.empty();) {
        std::size_t size = 1;
        if (in_string) {
            if (text[0] == '\\' && text.size() > 1) size = 2;
            in_string = text[0] != '"';
        } else if (text[0] == '"') {
            in_string = true;
        } else {
            for (const std::string_view word : {"NaN", "Infinity", "-Infinity"}) {
                if (!text.starts_with(word)) continue;
                made.append("\"").append(word).append("\"");
                text.remove_prefix(word.size());
                size = 0;
                break;
            }
        }
        made.append(text.substr(0, size));
        text.remove_prefix(size);
    }
    return made;
}

/// Parses JSON that comes from a file: at most 64 levels deep.
/// @throws error (malformed_file) naming `source`
[[nodiscard]] inline json parse_json(std::string_view text, const std::string& source,
                                     repeated_key repeated = repeated_key::refused) {
    constexpr int deepest = 64;
    std::vector<std::set<std::string>> keys;  // of the open objects
    const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
        if (depth > deepest) {
            fail(errc::malformed_file, source, ": expected at most ", deepest, " levels of nesting, found more");
        }
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        if (event == json::parse_event_t::object_end) keys.pop_back();
        if (event == json::parse_event_t::key) {
            const auto& key = parsed.get_ref<const std::string&>();
            if (repeated == repeated_key::refused && !keys.back().insert(key).second) {
                fail(errc::malformed_file, source, ": '", short_reason(key), "': expected once, found twice");
            }
        }
        return true;
    };
    try {
        return json::parse(text.begin(), text.end(), check);
    } catch (const json::exception& e) {
        if (text.find("NaN") != text.npos || text.find("Infinity") != text.npos) {
            if (const std::string quoted = quote_not_finite(text); quoted != text) {
                return parse_json(quoted, source, repeated);
            }
        }
        refuse_foreign(text, content::json, source, "JSON");
        const bool ends = std::string_view(e.what()).find("unexpected end of input") != std::string_view::npos;
        fail(errc::malformed_file, source, ": expected JSON, found ", ends ? "a truncated text: a " : "a ",
             short_reason(e.what()));
    }
}

}  // namespace text
}}  // namespace earlyout::EARLYOUT_ABI

#endif
