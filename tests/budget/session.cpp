// SPDX-License-Identifier: MIT
// One session of a network that no file was read for, with two exits.
#include <earlyout/earlyout.hpp>
#include <earlyout/models/gpt2.hpp>

#include <cstdio>

namespace eo = earlyout;

int main() {
    const auto network = eo::gpt2<>::from_checkpoint(eo::memory_checkpoint("in memory"));
    auto policy =
        eo::exit_policy{eo::exit_plan{eo::after<3, 5>(eo::margin{.threshold = 0.6f})}, eo::shared_head{}, eo::defer{}};
    eo::session s{network, policy, {.capacity = 256}};
    const eo::token_id prompt[] = {1, 2, 3};
    const auto r = s.complete(prompt, {.max_new_tokens = 24});
    std::printf("%zu tokens, mean exit layer %f\n", r.ids.size(), r.stats.mean_exit_layer());
}
