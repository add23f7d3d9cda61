// EXPECT: earlyout: completing text needs a model with a tokenizer, such as io::load returns; give token ids instead
// SPDX-License-Identifier: MIT
#include <earlyout/earlyout.hpp>
#include <earlyout/models/gpt2.hpp>

#include <array>

namespace eo = earlyout;

void f(const eo::gpt2<>& model) {
    eo::session s{model};
#ifdef EARLYOUT_MUST_COMPILE
    s.complete(std::array<eo::token_id, 2>{5, 6});
#else
    s.complete("def f(x):");
#endif
}
