// SPDX-License-Identifier: MIT
// Every room is inside the inline namespace that names version and instruction set: an object compiled with other flags
// has other symbols, so the linker cannot confuse them.
#include <earlyout/earlyout.hpp>
#include <earlyout/models/gpt2.hpp>
#include <earlyout/text/tokenizer.hpp>

#include <type_traits>

#include "support/catch.hpp"

namespace eo = earlyout;
namespace tagged = earlyout::EARLYOUT_ABI;

namespace {

static_assert(std::is_same_v<eo::error, tagged::error> && std::is_same_v<eo::thread_pool, tagged::thread_pool>);
static_assert(std::is_same_v<eo::packed_matrix<>, tagged::packed_matrix<>>);
static_assert(std::is_same_v<eo::kv_cache, tagged::kv_cache> && std::is_same_v<eo::layer_norm<>, tagged::layer_norm<>>);
static_assert(std::is_same_v<eo::gpt2<>, tagged::gpt2<>>);
static_assert(std::is_same_v<eo::any_gate, tagged::any_gate> && std::is_same_v<eo::sec_gate, tagged::sec_gate>);
static_assert(std::is_same_v<eo::session<eo::gpt2<>>, tagged::session<tagged::gpt2<>>>);
static_assert(std::is_same_v<eo::text::tokenizer, tagged::text::tokenizer>);

// Functions too: those of a kernel differ between instruction sets.
static_assert(&eo::kernels::dot<> == &tagged::kernels::dot<>);

}  // namespace

TEST_CASE("every room is in the namespace of its instruction set", "[static]") { SUCCEED(); }
