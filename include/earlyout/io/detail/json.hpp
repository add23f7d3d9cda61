// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_JSON_HPP
#define EARLYOUT_IO_DETAIL_JSON_HPP

#include <earlyout/text/json.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

using text::json;
using text::parse_json;
using text::repeated_key;
using text::short_reason;

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
