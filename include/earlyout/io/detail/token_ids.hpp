// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_TOKEN_IDS_HPP
#define EARLYOUT_IO_DETAIL_TOKEN_IDS_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/io/detail/json.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

/// Returns the token ids under a key: a number, an array of numbers, or nothing. Null and -1 are none.
[[nodiscard]] inline std::vector<token_id> token_ids(const json& object, const char* key, const std::string& source) {
    std::vector<token_id> ids;
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return ids;
    const json& values = found->is_array() ? *found : json::array({*found});
    for (const json& value : values) {
        if (value.is_null() || value == -1) continue;
        constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<token_id>::max());
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > largest) {
            fail(errc::malformed_file, source, ": '", key, "': expected token ids, found ",
                 short_reason(found->dump(-1, ' ', true, json::error_handler_t::replace)));
        }
        ids.push_back(static_cast<token_id>(value.get<std::uint64_t>()));
    }
    return ids;
}

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
