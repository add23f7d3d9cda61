// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_SERVE_FIELDS_HPP
#define EARLYOUT_EXAMPLES_SERVE_FIELDS_HPP

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json.hpp"

namespace serve {

/// Parses a request's body: one JSON object, at most 64 levels deep.
/// @throws api_error
[[nodiscard]] json parse_object(const std::string& body);

/// Returns how a message shows a JSON value: "a string", "3", "null".
[[nodiscard]] std::string described(const json& value);

/// The members of a request. One that is null is absent, as clients mean it.
class fields {
public:
    /// @param where the object is in the request, as a prefix of names in errors: "messages[0]."
    explicit fields(const json& object, std::string where = {}) : object_(object), where_(std::move(where)) {}

    [[nodiscard]] const json& object() const noexcept { return object_; }
    /// Returns the member of this name, or nullptr.
    [[nodiscard]] const json* find(std::string_view name) const;

    // Each throws an api_error for a member of another type, or outside the range.
    [[nodiscard]] std::optional<bool> flag(std::string_view name) const;
    [[nodiscard]] std::optional<double> number(std::string_view name,
                                               double least = std::numeric_limits<double>::lowest(),
                                               double greatest = std::numeric_limits<double>::max()) const;
    /// A number without a fraction counts too: some clients' numbers are all of one type.
    [[nodiscard]] std::optional<std::int64_t> integer(
        std::string_view name, std::int64_t least = std::numeric_limits<std::int64_t>::min(),
        std::int64_t greatest = std::numeric_limits<std::int64_t>::max()) const;
    [[nodiscard]] std::optional<std::string> text(std::string_view name) const;
    /// A string stands for an array of one.
    [[nodiscard]] std::optional<std::vector<std::string>> texts(std::string_view name) const;

private:
    [[nodiscard]] std::string full(std::string_view name) const { return where_ + std::string(name); }

    const json& object_;
    std::string where_;
};

}  // namespace serve

#endif
