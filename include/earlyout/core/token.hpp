// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_TOKEN_HPP
#define EARLYOUT_CORE_TOKEN_HPP

#include <earlyout/core/config.hpp>

#include <cstdint>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Index of a vocabulary entry; valid ids are 0 .. vocabulary size - 1.
using token_id = std::int32_t;

}}  // namespace earlyout::EARLYOUT_ABI

#endif
