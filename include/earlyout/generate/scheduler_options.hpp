// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_SCHEDULER_OPTIONS_HPP
#define EARLYOUT_GENERATE_SCHEDULER_OPTIONS_HPP

#include <earlyout/core/executor.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/nn/kv_format.hpp>

#include <cstddef>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Resources that a scheduler uses.
struct scheduler_options {
    std::size_t sequences = 4;   ///< max completions that run at once
    std::size_t capacity = 0;    ///< max tokens of a prompt with its completion; 0: the model's context, at most 4096
    std::size_t threads = 1;     ///< its own threads, including the caller's
    std::size_t block = 128;     ///< max tokens that run through a layer together
    std::size_t kv_pages = 0;    ///< pages of keys and values; 0: twice what `sequences` of full length take
    kv_format kv{};              ///< of keys and values
    executor* run_on = nullptr;  ///< external threads to use instead; must outlive the scheduler
    draft_options drafts{};      ///< for completions with drafts
    double max_stall = 0.1;      ///< seconds that a chunk of a prompt may delay the tokens of other completions
    std::size_t drafted_block = 16;  ///< max tokens of a block that hold drafts, of all sequences
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
