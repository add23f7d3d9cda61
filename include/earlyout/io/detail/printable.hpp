// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_IO_DETAIL_PRINTABLE_HPP
#define EARLYOUT_IO_DETAIL_PRINTABLE_HPP

#include <earlyout/core/error.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace io::detail {

using earlyout::detail::printable;

}  // namespace io::detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
