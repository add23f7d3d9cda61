// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_JSON_HPP
#define EARLYOUT_IO_DETAIL_JSON_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/printable.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

using json = nlohmann::json;

/// What the JSON library has to say, without its own numbering and not longer than a line.
[[nodiscard]] inline std::string short_reason(std::string_view reason) {
    if (const std::size_t end = reason.find("] "); reason.starts_with('[') && end != std::string_view::npos) {
        reason.remove_prefix(end + 2);
    }
    return printable(reason);
}

/// Parses JSON that comes from a file: at most 64 levels deep, no key twice in one object.
/// @throws error (malformed_file) naming `source`
[[nodiscard]] inline json parse_json(std::string_view text, const std::string& source) {
    constexpr int deepest = 64;
    std::vector<std::set<std::string>> keys;  // of the objects that are open
    const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
        if (depth > deepest) {
            fail(errc::malformed_file, source, ": expected at most ", deepest, " levels of nesting, found more");
        }
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        if (event == json::parse_event_t::object_end) keys.pop_back();
        if (event == json::parse_event_t::key) {
            const auto& key = parsed.get_ref<const std::string&>();
            if (!keys.back().insert(key).second) {
                fail(errc::malformed_file, source, ": '", short_reason(key), "': expected once, found twice");
            }
        }
        return true;
    };
    try {
        return json::parse(text.begin(), text.end(), check);
    } catch (const json::exception& e) {
        fail(errc::malformed_file, source, ": expected JSON, found a ", short_reason(e.what()));
    }
}

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
