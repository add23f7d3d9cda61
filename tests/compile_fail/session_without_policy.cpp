// EXPECT: earlyout: a session takes a model and an exit_policy, as in session{model, exit_policy{plan, shared_head{},
// propagate{}}} SPDX-License-Identifier: MIT
#include <earlyout/earlyout.hpp>
#include <earlyout/models/gpt2.hpp>

namespace eo = earlyout;

void f(const eo::gpt2<>& model) {
#ifdef EARLYOUT_MUST_COMPILE
    eo::session s{model, eo::exit_policy{eo::exit_plan{eo::after<3>(eo::margin{})}}};
#else
    eo::session s{model, eo::exit_plan{eo::after<3>(eo::margin{})}};
#endif
}
