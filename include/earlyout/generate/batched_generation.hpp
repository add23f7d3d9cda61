// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_BATCHED_GENERATION_HPP
#define EARLYOUT_GENERATE_BATCHED_GENERATION_HPP

#include <earlyout/generate/detail/batched_rows.hpp>
#include <earlyout/generate/drafted_generation.hpp>
#include <earlyout/generate/drafts/drafter.hpp>
#include <earlyout/generate/options.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/nn/run_context.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A sequence among others, each with a policy and a drafter of its own.
template <network Network, class Policy, drafter Drafter>
struct batched_generation : drafted_generation<Network, Policy, Drafter> {
    /// What the next step does with the sequence.
    enum class stage : std::uint8_t {
        prefill,  ///< run tokens of the prompt; predict nothing
        predict   ///< predict the tokens that follow the last one
    };

    /// Allocates everything that steps need.
    batched_generation(const Network& network, std::shared_ptr<const Policy> with,
                       std::shared_ptr<const Drafter> drafts_with, sequence of, std::size_t max_rows,
                       const draft_options& drafted)
        : drafted_generation<Network, Policy, Drafter>(network, *with, *drafts_with, std::move(of), max_rows, drafted),
          policy(std::move(with)),
          drafter(std::move(drafts_with)) {}

    std::shared_ptr<const Policy> policy;
    std::shared_ptr<const Drafter> drafter;
    stage next = stage::predict;
    work_count work;  ///< of the last step: this sequence's part

    // Within a step:
    bool is_verified = false;    ///< its tokens run to full depth in one block
    std::size_t last_layer = 0;  ///< that a prompt runs through
    std::size_t pending = 0;     ///< tokens that run through the next layer
    typename detail::batched_rows<Network>::place rows;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
