// EXPECT: earlyout: the exit plan has an exit after a layer that the model does not have
// SPDX-License-Identifier: MIT
#include <earlyout/earlyout.hpp>
#include <earlyout/models/gpt2.hpp>

namespace eo = earlyout;

using model_type =
    eo::gpt2<eo::f32, eo::model_shape{.layers = 4, .d_model = 8, .heads = 2, .vocab = 16, .context = 32}>;

void f(const model_type& model) {
#ifdef EARLYOUT_MUST_COMPILE
    eo::session s{model, eo::exit_policy{eo::exit_plan{eo::after<2, 4>(eo::margin{})}}};
#else
    eo::session s{model, eo::exit_policy{eo::exit_plan{eo::after<2, 5>(eo::margin{})}}};
#endif
}
