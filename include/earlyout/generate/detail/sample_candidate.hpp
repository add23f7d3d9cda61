// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_SAMPLE_CANDIDATE_HPP
#define EARLYOUT_GENERATE_DETAIL_SAMPLE_CANDIDATE_HPP

#include <earlyout/core/token.hpp>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// A token that may be drawn, with its logit, or its weight relative to the likeliest.
struct sample_candidate {
    float score = 0.0f;
    token_id id = 0;
};

}  // namespace detail
}}  // namespace earlyout::EARLYOUT_ABI

#endif
