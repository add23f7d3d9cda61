// SPDX-License-Identifier: MIT
// Continues several texts together: every layer's weights are read once for all of them.
#include <earlyout/earlyout.hpp>
#include <earlyout/generate/scheduler.hpp>
#include <earlyout/io/hugging_face.hpp>
#include <earlyout/models/gpt2.hpp>

#include <exception>
#include <iostream>
#include <memory>

namespace eo = earlyout;

int main(int argc, char** argv) try {
    const auto model = eo::io::load_hugging_face<eo::gpt2<>>(argc > 1 ? argv[1] : "examples/model");
    using policy = decltype(eo::full_depth());
    eo::scheduler<decltype(model), policy, eo::suffix_drafts> together(model, {.sequences = 2, .capacity = 256});
    const auto full_depth = std::make_shared<const policy>(eo::full_depth());
    const auto drafts = std::make_shared<const eo::suffix_drafts>();
    for (const char* const text : {"import os\n\ndef read", "import os\nimport sys", "class Reader(object):\n"}) {
        together.submit({.prompt = eo::encode_prompt(model, text),
                         .options = {.max_new_tokens = 16},
                         .policy = full_depth,
                         .drafter = drafts,
                         .on_end = [text](const eo::completion& done) { std::cout << text << done.text << "\n\n"; }});
    }
    while (together.run()) {  // one round: a token or more for each, and chunks of prompts between them
    }
    std::cout << together.rounds() << " rounds\n";
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
