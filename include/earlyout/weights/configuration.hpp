// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_CONFIGURATION_HPP
#define EARLYOUT_WEIGHTS_CONFIGURATION_HPP

#include <earlyout/core/config.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Configuration values of a checkpoint by key, as in `config.json`. Keys within objects are written with dots:
/// "rope_scaling.factor".
class configuration {
public:
    virtual ~configuration() = default;

    /// Returns the value of a key. Empty when the key is absent or null.
    /// @throws error (malformed_file) when the value has another type; the message names file and key
    [[nodiscard]] virtual std::optional<std::int64_t> integer(std::string_view key) const = 0;
    [[nodiscard]] virtual std::optional<double> real(std::string_view key) const = 0;
    [[nodiscard]] virtual std::optional<bool> boolean(std::string_view key) const = 0;
    [[nodiscard]] virtual std::optional<std::string> text(std::string_view key) const = 0;
    /// Returns true when the key is present and null: some defaults are for absent keys only.
    [[nodiscard]] virtual bool is_null(std::string_view key) const = 0;
    /// Returns the names of the members of an object; empty if the key is absent or holds another type.
    [[nodiscard]] virtual std::optional<std::vector<std::string>> members(std::string_view key) const = 0;

protected:
    configuration() = default;
    configuration(const configuration&) = default;
    configuration(configuration&&) = default;
    configuration& operator=(const configuration&) = default;
    configuration& operator=(configuration&&) = default;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
