// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_NN_LAYER_TOKEN_HPP
#define EARLYOUT_NN_LAYER_TOKEN_HPP

#include <earlyout/nn/kv_cache.hpp>

#include <cstddef>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// One token on its way through the layers: its sequence's cache, its position, and its row of the residual stream,
/// updated in place. Only attention reads the cache, so the tokens of one chunk may belong to different sequences.
struct layer_token {
    kv_cache* cache = nullptr;
    std::size_t position = 0;
    float* row = nullptr;            ///< [d_model]
    std::size_t active_experts = 0;  ///< that it chooses in each mixture; 0: as many as the model's own
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
