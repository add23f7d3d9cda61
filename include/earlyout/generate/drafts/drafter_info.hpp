// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DRAFTS_DRAFTER_INFO_HPP
#define EARLYOUT_GENERATE_DRAFTS_DRAFTER_INFO_HPP

#include <earlyout/exit/gate_info.hpp>

#include <span>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Catalogue entry of a drafter. A drafter's type holds it as `info`.
struct drafter_info {
    std::string_view name;   ///< "suffix", as users write it
    std::string_view brief;  ///< one line: what it proposes
    std::span<const gate_parameter> parameters{};
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
