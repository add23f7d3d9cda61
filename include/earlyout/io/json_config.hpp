// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_JSON_CONFIG_HPP
#define EARLYOUT_IO_JSON_CONFIG_HPP

#include <earlyout/weights/configuration.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {
namespace text {
struct json_object;
}  // namespace text

namespace io {

/// The configuration values of a checkpoint that are stored in a JSON object. "rope_scaling.factor" is a member of that
/// name, or the member of a member; "layer_types.0" may be an element of an array.
class json_config final : public configuration {
public:
    json_config() = default;
    /// @param source names the object in errors
    json_config(text::json_object object, std::string source);

    /// Returns the object, which <earlyout/text/json.hpp> defines.
    [[nodiscard]] const text::json_object& object() const;

    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const override;
    [[nodiscard]] std::optional<double> real(std::string_view key) const override;
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const override;
    [[nodiscard]] std::optional<std::string> text(std::string_view key) const override;
    [[nodiscard]] bool is_null(std::string_view key) const override;
    [[nodiscard]] std::optional<std::vector<std::string>> members(std::string_view key) const override;

private:
    struct lookup;  // finds and refuses
    [[nodiscard]] lookup in_object() const;

    std::shared_ptr<const text::json_object> object_;
    std::string source_;
};

}  // namespace io
}}  // namespace earlyout::EARLYOUT_ABI

#ifdef EARLYOUT_IO_HEADER_ONLY
#include <earlyout/io/detail/json_config_inl.hpp>
#endif

#endif
