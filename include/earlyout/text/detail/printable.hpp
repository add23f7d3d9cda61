// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TEXT_DETAIL_PRINTABLE_HPP
#define EARLYOUT_TEXT_DETAIL_PRINTABLE_HPP

#include <earlyout/core/error.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace text::detail {

using earlyout::detail::printable;

}  // namespace text::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
