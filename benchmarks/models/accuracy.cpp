// SPDX-License-Identifier: MIT
// What each weight format and each format of cached keys and values costs in accuracy on texts of the user's choice:
// cross entropy given the true text before, and the share of tokens whose arg-max is the one of f32.
//
//     earlyout_accuracy MODEL_FOLDER TEXT_FILE...
#include <earlyout/earlyout.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/kernels/any_format.hpp>
#include <earlyout/kernels/softmax.hpp>
#include <earlyout/models/gpt2.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

namespace eo = earlyout;

namespace {

using network = eo::gpt2<eo::any_format>;
using ids = std::vector<eo::token_id>;

constexpr std::size_t max_tokens = 50'000;

/// Splits the texts into pieces of at most a context.
std::vector<ids> read(const eo::text::tokenizer& tokenizer, std::span<char*> files, std::size_t context) {
    std::vector<ids> pieces;
    std::size_t total = 0;
    for (const char* file : files) {
        std::ifstream in(file, std::ios::binary);
        if (!in) eo::fail(eo::errc::no_such_file, file, ": cannot be read");
        const std::string text((std::istreambuf_iterator<char>(in)), {});
        const ids all = tokenizer.encode(text);
        for (std::size_t at = 0; at + 1 < all.size() && total < max_tokens; at += context) {
            const std::size_t count = std::min(context, all.size() - at);
            pieces.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(at),
                                all.begin() + static_cast<std::ptrdiff_t>(at + count));
            total += count;
        }
    }
    return pieces;
}

struct predictions {
    double cross_entropy = 0;  // nats per token
    std::size_t right = 0;
    ids best;
};

predictions predict(const network& net, const std::vector<ids>& pieces, eo::kv_format kv) {
    eo::inline_executor on;
    eo::run_context context(net, 128, on);
    predictions made;
    std::vector<float> logits(net.shape().vocab);
    for (const ids& piece : pieces) {
        eo::sequence tokens(net.shape(), piece.size(), kv);
        for (const eo::token_id id : piece) tokens.push(net, id);
        (void)eo::run_pending(net, 1, net.shape().layers, tokens, context);
        for (std::size_t p = 0; p + 1 < piece.size(); ++p) {
            net.logits({tokens.hidden_state(p).data(), 1, net.shape().d_model}, {logits.data(), 1, logits.size()},
                       context);
            const auto top = eo::kernels::find_top_two(logits.data(), logits.size());
            const auto truth = static_cast<std::size_t>(piece[p + 1]);
            made.cross_entropy += eo::kernels::log_sum_exp(logits.data(), logits.size(), top.first) - logits[truth];
            made.right += top.index == truth ? 1 : 0;
            made.best.push_back(static_cast<eo::token_id>(top.index));
        }
    }
    made.cross_entropy /= static_cast<double>(made.best.size());
    return made;
}

int run(const std::string& folder, std::span<char*> files) {
    struct line {
        const char* name;
        eo::any_format layers, output;
        eo::kv_format kv;
    };
    const line lines[] = {{"f32", eo::f32{}, eo::f32{}, eo::f32{}},
                          {"bf16", eo::bf16{}, eo::bf16{}, eo::f32{}},
                          {"f16", eo::f16{}, eo::f16{}, eo::f32{}},
                          {"int8", eo::int8{}, eo::int8{}, eo::f32{}},
                          {"int4, output int8", eo::int4{}, eo::int8{}, eo::f32{}},
                          {"int4", eo::int4{}, eo::int4{}, eo::f32{}},
                          {"q5_1, output int8", eo::q5_1{}, eo::int8{}, eo::f32{}},
                          {"q5_0, output int8", eo::q5_0{}, eo::int8{}, eo::f32{}},
                          {"q4_1, output int8", eo::q4_1{}, eo::int8{}, eo::f32{}},
                          {"iq4_nl, output int8", eo::iq4_nl{}, eo::int8{}, eo::f32{}},
                          {"mxfp4, output int8", eo::mxfp4{}, eo::int8{}, eo::f32{}},
                          {"f32, kv f16", eo::f32{}, eo::f32{}, eo::f16{}},
                          {"f32, kv bf16", eo::f32{}, eo::f32{}, eo::bf16{}},
                          {"f32, kv int8", eo::f32{}, eo::f32{}, eo::int8{}}};
    predictions exact;
    for (const line& l : lines) {
        const auto model = eo::io::load<network>(folder, l.layers, l.output);
        const auto& net = model.network();
        const std::vector<ids> pieces = read(model.tokenizer(), files, net.shape().context);
        const predictions made = predict(net, pieces, l.kv);
        if (made.best.empty()) eo::fail(eo::errc::invalid_argument, "texts: expected at least two tokens, found none");
        if (&l == lines) {
            exact = made;
            std::printf("%zu tokens\n%-18s %9s %14s %11s %9s %9s\n", made.best.size(), "weights", "MB", "nats/token",
                        "perplexity", "accuracy", "as f32");
        }
        std::size_t bytes = net.output_bytes(), same = 0;
        for (std::size_t layer = 1; layer <= net.shape().layers; ++layer) bytes += net.layer_bytes(layer);
        for (std::size_t i = 0; i < made.best.size(); ++i) same += made.best[i] == exact.best[i] ? 1 : 0;
        const auto share = [&](std::size_t n) {
            return static_cast<double>(n) / static_cast<double>(made.best.size());
        };
        std::printf("%-18s %9.2f %14.5f %+10.2f%% %9.4f %9.4f\n", l.name, static_cast<double>(bytes) * 1e-6,
                    made.cross_entropy, 100.0 * (std::exp(made.cross_entropy - exact.cross_entropy) - 1.0),
                    share(made.right), share(same));
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fputs("usage: earlyout_accuracy MODEL_FOLDER TEXT_FILE...\n", stderr);
        return 2;
    }
    try {
        return run(argv[1], std::span(argv + 2, static_cast<std::size_t>(argc - 2)));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earlyout_accuracy: %s\n", e.what());
        return 1;
    }
}
