// SPDX-License-Identifier: MIT
// Our half of agree.py. Takes the same commands as llama_cpp_check.c, but other arguments:
//     earlyout_peer_check FORMAT MODEL.gguf
#include <earlyout/core/executor.hpp>
#include <earlyout/generate/pending.hpp>
#include <earlyout/generate/sequence.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include <cstddef>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

namespace {

namespace eo = earlyout;
using model = eo::io::pretrained<eo::any_model>;

void give_logits(const model& m, std::size_t first, std::size_t count) {
    const eo::model_shape& shape = m.network().shape();
    eo::inline_executor executor;
    eo::run_context context(m.network(), 128, executor);
    eo::sequence tokens(shape, count);
    std::vector<float> logits(shape.vocab);
    for (std::size_t done = 1; done <= count; ++done) {
        eo::token_id id = 0;
        std::cin >> id;
        tokens.push(m.network(), id);
        if (done < first) continue;
        (void)eo::run_pending(m.network(), 1, shape.layers, tokens, context);
        m.network().logits({tokens.hidden_state(done - 1).data(), 1, shape.d_model}, {logits.data(), 1, shape.vocab},
                           context);
        for (const float logit : logits) std::printf("%.9g ", static_cast<double>(logit));
        std::puts("");
    }
}

void give_tokens(const model& m, std::size_t size) {
    std::string text(size, '\0');
    std::cin.get();
    std::cin.read(text.data(), static_cast<std::streamsize>(size));
    for (const eo::token_id id : m.tokenizer().encode(text)) std::printf("%d ", id);
    std::puts("");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    try {
        const auto m = eo::io::load<eo::any_model>(argv[2], eo::any_format(argv[1]));
        std::string what;
        std::size_t first = 0;
        std::size_t count = 0;
        while (std::cin >> what) {
            if (what == "logits" && std::cin >> first >> count) {
                give_logits(m, first, count);
            } else if (what == "tokens" && std::cin >> count) {
                give_tokens(m, count);
            } else {
                return 2;
            }
            std::fflush(stdout);
        }
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    return 0;
}
