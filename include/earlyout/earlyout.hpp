// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EARLYOUT_HPP
#define EARLYOUT_EARLYOUT_HPP

/// @file The umbrella: everything from core to generate. Architectures (models/) and file formats (io/)
/// are included by name.

#include <earlyout/core/config.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/exit/cache/defer.hpp>
#include <earlyout/exit/cache/omit.hpp>
#include <earlyout/exit/cache/propagate.hpp>
#include <earlyout/exit/cache_policy.hpp>
#include <earlyout/exit/decision.hpp>
#include <earlyout/exit/exit_head.hpp>
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/gates/agreement.hpp>
#include <earlyout/exit/gates/always.hpp>
#include <earlyout/exit/gates/budget.hpp>
#include <earlyout/exit/gates/combinators.hpp>
#include <earlyout/exit/gates/decaying.hpp>
#include <earlyout/exit/gates/entropy.hpp>
#include <earlyout/exit/gates/fixed_layer.hpp>
#include <earlyout/exit/gates/jei_dnn.hpp>
#include <earlyout/exit/gates/learn_to_exit.hpp>
#include <earlyout/exit/gates/margin.hpp>
#include <earlyout/exit/gates/max_probability.hpp>
#include <earlyout/exit/gates/oracle.hpp>
#include <earlyout/exit/gates/patience.hpp>
#include <earlyout/exit/gates/saturation.hpp>
#include <earlyout/exit/gates/sec_gate.hpp>
#include <earlyout/exit/heads/adapter_head.hpp>
#include <earlyout/exit/heads/own_head.hpp>
#include <earlyout/exit/heads/shared_head.hpp>
#include <earlyout/exit/heads/shortlist.hpp>
#include <earlyout/generate/any_session.hpp>
#include <earlyout/generate/drafts/best_of.hpp>
#include <earlyout/generate/drafts/depth_drafts.hpp>
#include <earlyout/generate/drafts/first_of.hpp>
#include <earlyout/generate/drafts/hashed_drafts.hpp>
#include <earlyout/generate/drafts/recycled_drafts.hpp>
#include <earlyout/generate/drafts/suffix_drafts.hpp>
#include <earlyout/generate/drafts/suffix_store.hpp>
#include <earlyout/generate/session.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/weights/checkpoint.hpp>
#include <earlyout/weights/memory_checkpoint.hpp>

#endif
