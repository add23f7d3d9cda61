// SPDX-License-Identifier: MIT
// What json_config.hpp declares.
#ifndef EARLYOUT_IO_DETAIL_JSON_CONFIG_INL_HPP
#define EARLYOUT_IO_DETAIL_JSON_CONFIG_INL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/io/json_config.hpp>
#include <earlyout/weights/configuration.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

struct json_config::lookup {
    const detail::json& object;
    const std::string& source;

    /// Returns null if absent or null.
    [[nodiscard]] const detail::json* find(std::string_view key) const {
        const detail::json* value = look_up(key);
        return value == nullptr || value->is_null() ? nullptr : value;
    }
    [[nodiscard]] const detail::json* look_up(std::string_view key) const {
        if (const detail::json* whole = member(object, key)) return whole;
        const detail::json* value = &object;
        for (std::size_t begin = 0; begin <= key.size() && value != nullptr;) {
            const std::size_t end = std::min(key.find('.', begin), key.size());
            value = member(*value, key.substr(begin, end - begin));
            begin = end + 1;
        }
        return value;
    }
    [[nodiscard]] static const detail::json* member(const detail::json& of, std::string_view key) {
        const detail::json* found = nullptr;
        if (of.is_object()) {
            if (const auto at = of.find(key); at != of.end()) found = &*at;
        } else if (of.is_array()) {
            std::size_t index = 0;
            const auto [end, problem] = std::from_chars(key.data(), key.data() + key.size(), index);
            if (problem == std::errc{} && end == key.data() + key.size() && index < of.size()) found = &of[index];
        }
        return found;
    }
    [[noreturn]] void refuse(std::string_view key, std::string_view expected, const detail::json& found) const {
        fail(errc::malformed_file, source, ": '", key, "': expected ", expected, ", found ",
             detail::short_reason(found.dump(-1, ' ', true, detail::json::error_handler_t::replace)));
    }
};

EARLYOUT_IO_INLINE json_config::lookup json_config::in_object() const { return {object().value, source_}; }

EARLYOUT_IO_INLINE json_config::json_config(text::json_object object, std::string source)
    : object_(std::make_shared<const text::json_object>(std::move(object))), source_(std::move(source)) {}

EARLYOUT_IO_INLINE const text::json_object& json_config::object() const {
    static const text::json_object nothing(detail::json::object());
    return object_ == nullptr ? nothing : *object_;
}

EARLYOUT_IO_INLINE std::optional<std::int64_t> json_config::integer(std::string_view key) const {
    const detail::json* value = in_object().find(key);
    if (value == nullptr) return std::nullopt;
    const bool fits = value->is_number_integer() &&
                      !(value->is_number_unsigned() &&
                        value->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()});
    if (!fits) in_object().refuse(key, "a whole number", *value);
    return value->get<std::int64_t>();
}

EARLYOUT_IO_INLINE std::optional<double> json_config::real(std::string_view key) const {
    const detail::json* value = in_object().find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) in_object().refuse(key, "a number", *value);
    return value->get<double>();
}

EARLYOUT_IO_INLINE std::optional<bool> json_config::boolean(std::string_view key) const {
    const detail::json* value = in_object().find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) in_object().refuse(key, "true or false", *value);
    return value->get<bool>();
}

EARLYOUT_IO_INLINE std::optional<std::string> json_config::text(std::string_view key) const {
    const detail::json* value = in_object().find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) in_object().refuse(key, "a string", *value);
    return value->get<std::string>();
}

EARLYOUT_IO_INLINE bool json_config::is_null(std::string_view key) const {
    const detail::json* value = in_object().look_up(key);
    return value != nullptr && value->is_null();
}

EARLYOUT_IO_INLINE std::optional<std::vector<std::string>> json_config::members(std::string_view key) const {
    const detail::json* value = in_object().look_up(key);
    std::set<std::string> names;
    const auto add = [&](std::string_view name) { names.emplace(name.substr(0, name.find('.'))); };
    if (value != nullptr && value->is_object()) {
        for (const auto& [name, unused] : value->items()) add(name);
    }
    const std::string prefix = std::string(key).append(".");  // prefix of keys that are written flat
    for (const auto& [name, unused] : object().value.items()) {
        if (name.starts_with(prefix)) add(std::string_view(name).substr(prefix.size()));
    }
    if (names.empty() && (value == nullptr || !value->is_object())) return std::nullopt;
    return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
