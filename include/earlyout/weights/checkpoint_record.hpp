// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_WEIGHTS_CHECKPOINT_RECORD_HPP
#define EARLYOUT_WEIGHTS_CHECKPOINT_RECORD_HPP

#include <earlyout/weights/flat_config.hpp>

#include <functional>
#include <set>
#include <string>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// What a network read of its checkpoint: all that another checkpoint must have for the same network.
struct checkpoint_record {
    flat_config config{""};                           ///< the values that were read
    std::set<std::string, std::less<>> tensors = {};  ///< names of those that were there when they were looked for
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
