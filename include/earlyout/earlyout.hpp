// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EARLYOUT_HPP
#define EARLYOUT_EARLYOUT_HPP

/// @file The umbrella: everything from core to generate. Architectures (models/) and file formats (io/)
/// are included by name.

#include <earlyout/core/config.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/core/token.hpp>
#include <earlyout/exit/adapter_head.hpp>
#include <earlyout/exit/always.hpp>
#include <earlyout/exit/any_gate.hpp>
#include <earlyout/exit/any_head.hpp>
#include <earlyout/exit/budget.hpp>
#include <earlyout/exit/cache_policies.hpp>
#include <earlyout/exit/combinators.hpp>
#include <earlyout/exit/decaying.hpp>
#include <earlyout/exit/decision.hpp>
#include <earlyout/exit/entropy_gate.hpp>
#include <earlyout/exit/exit_plan.hpp>
#include <earlyout/exit/exit_policy.hpp>
#include <earlyout/exit/fixed_layer.hpp>
#include <earlyout/exit/heads.hpp>
#include <earlyout/exit/jei_dnn.hpp>
#include <earlyout/exit/learn_to_exit.hpp>
#include <earlyout/exit/margin.hpp>
#include <earlyout/exit/max_probability.hpp>
#include <earlyout/exit/oracle.hpp>
#include <earlyout/exit/own_head.hpp>
#include <earlyout/exit/patience.hpp>
#include <earlyout/exit/saturation.hpp>
#include <earlyout/exit/sec_gate.hpp>
#include <earlyout/exit/shortlist.hpp>
#include <earlyout/generate/any_session.hpp>
#include <earlyout/generate/session.hpp>
#include <earlyout/nn/network.hpp>
#include <earlyout/weights/checkpoint.hpp>
#include <earlyout/weights/memory_checkpoint.hpp>

#endif
