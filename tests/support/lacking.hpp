// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_LACKING_HPP
#define EARLYOUT_TESTS_SUPPORT_LACKING_HPP

#include <earlyout/weights/checkpoint.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

/// A checkpoint without the given tensors or configuration values.
class lacking final : public earlyout::checkpoint {
public:
    lacking(const earlyout::checkpoint& all, std::string name) : lacking(all, std::vector{std::move(name)}) {}
    lacking(const earlyout::checkpoint& all, std::vector<std::string> names)
        : all_(all), config_(all.config(), std::move(names)) {}
    std::string source() const override { return all_.source(); }
    const earlyout::configuration& config() const override { return config_; }
    const earlyout::tensor_view* find(std::string_view name) const override {
        return config_.is_left_out(name) ? nullptr : all_.find(name);
    }

private:
    class lacking_config final : public earlyout::configuration {
    public:
        lacking_config(const earlyout::configuration& all, std::vector<std::string> names)
            : all_(all), names_(std::move(names)) {}
        std::optional<std::int64_t> integer(std::string_view key) const override { return get(key, all_.integer(key)); }
        std::optional<double> real(std::string_view key) const override { return get(key, all_.real(key)); }
        std::optional<bool> boolean(std::string_view key) const override { return get(key, all_.boolean(key)); }
        std::optional<std::string> text(std::string_view key) const override { return get(key, all_.text(key)); }
        bool is_null(std::string_view key) const override { return !is_left_out(key) && all_.is_null(key); }
        std::optional<std::vector<std::string>> members(std::string_view key) const override {
            return get(key, all_.members(key));
        }
        [[nodiscard]] bool is_left_out(std::string_view name) const {
            return std::ranges::find(names_, name) != names_.end();
        }

    private:
        template <class T>
        std::optional<T> get(std::string_view key, std::optional<T> found) const {
            return is_left_out(key) ? std::nullopt : found;
        }

        const earlyout::configuration& all_;
        std::vector<std::string> names_;
    };

    const earlyout::checkpoint& all_;
    lacking_config config_;
};

}  // namespace support

#endif
