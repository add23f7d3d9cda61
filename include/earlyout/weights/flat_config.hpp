// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_FLAT_CONFIG_HPP
#define EARLYOUT_WEIGHTS_FLAT_CONFIG_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/weights/configuration.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Configuration values of a checkpoint by key, in memory.
class flat_config final : public configuration {
public:
    using value = std::variant<std::int64_t, double, bool, std::string, std::nullptr_t>;

    /// @param source names the checkpoint in errors
    explicit flat_config(std::string source) : source_(std::move(source)) {}

    [[nodiscard]] const std::string& source() const noexcept { return source_; }
    /// Sets a value, replacing one of the same key.
    void set(std::string key, value v) { values_.insert_or_assign(std::move(key), std::move(v)); }

    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const override {
        return get<std::int64_t>(key, "a whole number");
    }
    [[nodiscard]] std::optional<double> real(std::string_view key) const override {
        const value* const found = find(key);
        const auto* const whole = found == nullptr ? nullptr : std::get_if<std::int64_t>(found);
        return whole == nullptr ? get<double>(key, "a number") : static_cast<double>(*whole);
    }
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const override {
        return get<bool>(key, "true or false");
    }
    [[nodiscard]] std::optional<std::string> text(std::string_view key) const override {
        return get<std::string>(key, "a string");
    }
    [[nodiscard]] bool is_null(std::string_view key) const override {
        const value* const found = find(key);
        return found != nullptr && std::holds_alternative<std::nullptr_t>(*found);
    }
    [[nodiscard]] std::optional<std::vector<std::string>> members(std::string_view key) const override {
        const std::string prefix = std::string(key).append(".");
        std::vector<std::string> names;
        for (auto at = values_.lower_bound(prefix); at != values_.end() && at->first.starts_with(prefix); ++at) {
            std::string name = at->first.substr(prefix.size(), at->first.find('.', prefix.size()) - prefix.size());
            if (names.empty() || names.back() != name) names.push_back(std::move(name));
        }
        return names.empty() ? std::nullopt : std::optional(std::move(names));
    }

private:
    [[nodiscard]] const value* find(std::string_view key) const {
        const auto found = values_.find(key);
        return found == values_.end() ? nullptr : &found->second;
    }
    template <class T>
    [[nodiscard]] std::optional<T> get(std::string_view key, std::string_view expected) const {
        const value* const found = find(key);
        if (found == nullptr || std::holds_alternative<std::nullptr_t>(*found)) return std::nullopt;
        if (const T* const held = std::get_if<T>(found)) return *held;
        fail(errc::malformed_file, source_, ": '", key, "': expected ", expected);
    }

    std::string source_;
    std::map<std::string, value, std::less<>> values_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
