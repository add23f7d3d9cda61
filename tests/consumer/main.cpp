// SPDX-License-Identifier: MIT
// completer MODEL PROMPT: a completion with early exits, as somebody else's program would ask for it.
#include <earlyout/earlyout.hpp>
#include <earlyout/io/hugging_face.hpp>
#include <earlyout/models/gpt2.hpp>

#include <exception>
#include <iostream>

namespace eo = earlyout;

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: completer MODEL PROMPT\n";
        return 2;
    }
    const auto model = eo::io::load_hugging_face<eo::gpt2<>>(argv[1]);
    eo::session s{model, eo::exit_policy{eo::exit_plan{eo::after<2>(eo::margin{.threshold = 0.5f})}, eo::shared_head{},
                                         eo::propagate{}}};
    const eo::completion result = s.complete(argv[2], {.max_new_tokens = 8});
    std::cout << argv[2] << result.text << "\nmean exit layer " << result.stats.mean_exit_layer() << '\n';
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
