// SPDX-License-Identifier: MIT
// Completes a line of Python and shows after which layer each token left.
#include <earlyout/earlyout.hpp>
#include <earlyout/io/hugging_face.hpp>
#include <earlyout/models/gpt2.hpp>

#include <exception>
#include <iostream>

namespace eo = earlyout;

int main(int argc, char** argv) try {
    // Immutable, shared by threads.
    auto model = eo::io::load_hugging_face<eo::gpt2<>>(argc > 1 ? argv[1] : "examples/model");
    auto policy = eo::exit_policy{
        eo::exit_plan{eo::after<3>(eo::margin{.threshold = 0.6f}),  // gates and their layers known at compile time ...
                      eo::after<5>(eo::sec_gate{model.exits().linear("sec"), {.exit = 0.9f, .stop = 0.8f}})},
        eo::shared_head{}, eo::defer{}};  // ... or exit_plan{layers, gate} chosen at run time
    eo::session s{model, policy, {.capacity = 256}};
    auto r = s.complete("def add(a, b):\n    return", {.max_new_tokens = 24}, [](const eo::token_event& t) {
        std::cout << t.piece << '<' << t.exit_layer << '>';
        return eo::flow::proceed;
    });
    std::cout << '\n' << to_string(r.finish_reason) << ", mean exit layer " << r.stats.mean_exit_layer() << '\n';
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
