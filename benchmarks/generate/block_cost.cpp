// SPDX-License-Identifier: MIT
// What a block of m tokens costs in terms of one: c(m) is the time of m tokens that pass all layers and the output
// matrix together, over the time of one. Drafts and batches live on it. Measurements of all m alternate.
//
//     earlyout_block_cost MODEL [FORMAT [THREADS [CONTEXT [ROUNDS]]]]
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>
#include <earlyout/nn/kv_cache.hpp>

#include "../quantile.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <vector>

namespace eo = earlyout;

namespace {

constexpr std::size_t most = 16;

int run(const char* path, eo::any_format format, std::size_t threads, std::size_t context_tokens, std::size_t rounds) {
    const auto model = eo::io::load<eo::any_model>(path, format);
    const eo::any_model& net = model.network();
    const eo::model_shape& shape = net.shape();
    eo::thread_pool on(threads);
    eo::run_context context(net, most, on);
    eo::kv_cache cache(shape, context_tokens + most);
    std::vector<float> rows(most * shape.d_model), logits(most * shape.vocab);
    std::vector<eo::layer_token> tokens(most);
    const auto block = [&](std::size_t position, std::size_t m) {
        for (std::size_t i = 0; i < m; ++i) {
            tokens[i] = {&cache, position + i, rows.data() + i * shape.d_model};
            net.embed(static_cast<eo::token_id>((position + 7 * i) % shape.vocab), position + i, tokens[i].row);
        }
        net.run_layers(1, shape.layers, std::span(tokens).first(m), context);
        net.logits({rows.data(), m, shape.d_model}, {logits.data(), m, shape.vocab}, context);
    };
    for (std::size_t at = 0; at < context_tokens; at += most) block(at, std::min(most, context_tokens - at));
    std::vector<std::vector<double>> seconds(most), ratio(most);
    std::vector<double> read(most);  // bytes of weights: a mixture's experts are those that the tokens choose
    for (std::size_t round = 0; round <= rounds; ++round) {
        double one = 0.0;
        for (std::size_t m = 1; m <= most; ++m) {
            const std::uint64_t before = context.work().weight_bytes;
            const auto begun = std::chrono::steady_clock::now();
            block(context_tokens, m);
            const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
            read[m - 1] = static_cast<double>(context.work().weight_bytes - before);
            cache.truncate(context_tokens);
            if (m == 1) one = passed;
            if (round == 0) continue;  // warms up
            seconds[m - 1].push_back(passed);
            ratio[m - 1].push_back(passed / one);
        }
    }
    double bytes = static_cast<double>(net.output_bytes());
    for (std::size_t layer = 1; layer <= shape.layers; ++layer) bytes += static_cast<double>(net.layer_bytes(layer));
    std::printf("%s, %s, %zu threads, after %zu tokens, %.1f MB of weights\n", path, net.weight_format().c_str(),
                threads, context_tokens, bytes * 1e-6);
    std::printf("%3s %10s %8s %17s %12s %9s %6s\n", "m", "ms", "c(m)", "middle half", "tokens/s", "MB read", "GB/s");
    for (std::size_t m = 1; m <= most; ++m) {
        const std::vector<double>& cost = ratio[m - 1];
        const double time = quantile(seconds[m - 1], 0.5);
        std::printf("%3zu %10.3f %8.2f    %5.2f .. %5.2f %12.1f %9.1f %6.1f\n", m, time * 1e3, quantile(cost, 0.5),
                    quantile(cost, 0.25), quantile(cost, 0.75), static_cast<double>(m) / time, read[m - 1] * 1e-6,
                    read[m - 1] / time * 1e-9);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const auto number = [&](int i, std::size_t otherwise) {
            return argc > i ? static_cast<std::size_t>(std::strtoul(argv[i], nullptr, 10)) : otherwise;
        };
        if (argc < 2) eo::fail(eo::errc::invalid_argument, "usage: MODEL [FORMAT [THREADS [CONTEXT [ROUNDS]]]]");
        return run(argv[1], eo::any_format(std::string_view(argc > 2 ? argv[2] : "stored")), number(3, 1),
                   number(4, 64), std::max<std::size_t>(1, number(5, 41)));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earlyout_block_cost: %s\n", e.what());
        return 1;
    }
}
