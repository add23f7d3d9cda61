// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_JSON_CONFIG_HPP
#define EARLYOUT_IO_JSON_CONFIG_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/io/detail/json.hpp>
#include <earlyout/weights/configuration.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io {

/// The configuration values of a checkpoint that lie in a JSON object. "rope_scaling.factor" is a member of that name,
/// or the member of a member; "layer_types.0" may be an element of an array.
class json_config final : public configuration {
public:
    json_config() = default;
    /// @param source names the object in errors
    json_config(detail::json object, std::string source) : object_(std::move(object)), source_(std::move(source)) {}

    [[nodiscard]] const detail::json& object() const noexcept { return object_; }

    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const override {
        const detail::json* value = find(key);
        if (value == nullptr) return std::nullopt;
        const bool fits = value->is_number_integer() &&
                          !(value->is_number_unsigned() &&
                            value->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()});
        if (!fits) refuse(key, "a whole number", *value);
        return value->get<std::int64_t>();
    }
    [[nodiscard]] std::optional<double> real(std::string_view key) const override {
        const detail::json* value = find(key);
        if (value == nullptr) return std::nullopt;
        if (!value->is_number()) refuse(key, "a number", *value);
        return value->get<double>();
    }
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const override {
        const detail::json* value = find(key);
        if (value == nullptr) return std::nullopt;
        if (!value->is_boolean()) refuse(key, "true or false", *value);
        return value->get<bool>();
    }
    [[nodiscard]] std::optional<std::string> text(std::string_view key) const override {
        const detail::json* value = find(key);
        if (value == nullptr) return std::nullopt;
        if (!value->is_string()) refuse(key, "a string", *value);
        return value->get<std::string>();
    }
    [[nodiscard]] bool is_null(std::string_view key) const override {
        const detail::json* value = look_up(key);
        return value != nullptr && value->is_null();
    }
    [[nodiscard]] std::optional<std::vector<std::string>> members(std::string_view key) const override {
        const detail::json* value = look_up(key);
        std::set<std::string> names;
        const auto add = [&](std::string_view name) { names.emplace(name.substr(0, name.find('.'))); };
        if (value != nullptr && value->is_object()) {
            for (const auto& [name, unused] : value->items()) add(name);
        }
        const std::string prefix = std::string(key).append(".");  // of keys that are written flat
        for (const auto& [name, unused] : object_.items()) {
            if (name.starts_with(prefix)) add(std::string_view(name).substr(prefix.size()));
        }
        if (names.empty() && (value == nullptr || !value->is_object())) return std::nullopt;
        return std::vector<std::string>(names.begin(), names.end());
    }

private:
    /// Null where there is none, and where it is null.
    [[nodiscard]] const detail::json* find(std::string_view key) const {
        const detail::json* value = look_up(key);
        return value == nullptr || value->is_null() ? nullptr : value;
    }
    [[nodiscard]] const detail::json* look_up(std::string_view key) const {
        if (const detail::json* whole = member(object_, key)) return whole;
        const detail::json* value = &object_;
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
        fail(errc::malformed_file, source_, ": '", key, "': expected ", expected, ", found ",
             detail::short_reason(found.dump(-1, ' ', true, detail::json::error_handler_t::replace)));
    }

    detail::json object_ = detail::json::object();
    std::string source_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#endif
