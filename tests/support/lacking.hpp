// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_SUPPORT_LACKING_HPP
#define EARLYOUT_TESTS_SUPPORT_LACKING_HPP

#include <earlyout/core/checkpoint.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace support {

/// Everything but the tensor or configuration value that it is asked to leave out.
class lacking final : public earlyout::checkpoint {
public:
    lacking(const earlyout::checkpoint& all, std::string name) : all_(all), name_(std::move(name)) {}
    std::string source() const override { return all_.source(); }
    std::optional<std::int64_t> integer(std::string_view key) const override { return get(key, all_.integer(key)); }
    std::optional<double> real(std::string_view key) const override { return get(key, all_.real(key)); }
    std::optional<bool> boolean(std::string_view key) const override { return get(key, all_.boolean(key)); }
    std::optional<std::string> text(std::string_view key) const override { return get(key, all_.text(key)); }
    bool is_null(std::string_view key) const override { return key != name_ && all_.is_null(key); }
    const earlyout::tensor_view* find(std::string_view name) const override {
        return name == name_ ? nullptr : all_.find(name);
    }

private:
    template <class T>
    std::optional<T> get(std::string_view key, std::optional<T> found) const {
        return key == name_ ? std::nullopt : found;
    }

    const earlyout::checkpoint& all_;
    std::string name_;
};

}  // namespace support

#endif
