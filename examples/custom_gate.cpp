// SPDX-License-Identifier: MIT
// A gate of one's own: a token leaves when several exits in a row have named the same next token.
#include <earlyout/earlyout.hpp>
#include <earlyout/io/hugging_face.hpp>
#include <earlyout/models/gpt2.hpp>

#include <exception>
#include <iostream>

namespace eo = earlyout;

struct patience {
    static constexpr eo::signal_set signals = eo::signal::argmax | eo::signal::previous_argmax;
    struct token_state {
        int agreed = 0;  // starts anew for each token
    };
    int wanted = 2;

    eo::decision operator()(const auto& s, token_state& state) const {
        state.agreed = s.previous_argmax() == s.argmax() ? state.agreed + 1 : 0;
        return state.agreed >= wanted ? eo::decision::exit : eo::decision::go_on;
    }
};

int main(int argc, char** argv) try {
    auto model = eo::io::load_hugging_face<eo::gpt2<>>(argc > 1 ? argv[1] : "examples/model");
    eo::exit_policy policy{eo::exit_plan{eo::exit_layers({2, 3, 4, 5, 6}), patience{.wanted = 2}}, eo::shared_head{},
                           eo::defer{}};
    eo::session s{model, policy, {.capacity = 256}};
    auto r = s.complete("import os\n\ndef read_file(path):\n", {.max_new_tokens = 32}, [](const eo::token_event& t) {
        std::cout << t.piece << std::flush;
        return eo::flow::proceed;
    });
    std::cout << "\n\nlayers run per token:";
    for (std::size_t layer : r.exit_layers) std::cout << ' ' << layer;
    std::cout << "\nmean " << r.stats.mean_exit_layer() << " of " << r.stats.layers << '\n';
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
