// SPDX-License-Identifier: MIT
// Time per token when every token exits after layer k, for every k: an exit saves the bytes it does not read. Prints
// the times against the straight line fitted to them over the bytes read.
//
//     earlyout_exit_depth [FORMAT [THREADS]]        GPT-2's shape (124M), random weights
#include <earlyout/earlyout.hpp>
#include <earlyout/kernels/any_format.hpp>
#include <earlyout/models/gpt2.hpp>

#include "../quantile.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "support/random_network.hpp"

namespace eo = earlyout;

namespace {

using network = eo::gpt2<eo::any_format>;

constexpr std::size_t tokens = 32, rounds = 11;

int run(eo::any_format format, std::size_t threads) {
    const eo::model_shape shape{
        .layers = 12, .d_model = 768, .heads = 12, .d_ff = 3072, .vocab = 50257, .context = 256};
    const network net = network::from_checkpoint(support::random_gpt2_checkpoint(shape, 1), format);
    std::vector<double> bytes, seconds;
    std::vector<std::vector<double>> times(shape.layers);
    double read = static_cast<double>(net.output_bytes());
    for (std::size_t k = 1; k <= shape.layers; ++k) bytes.push_back(read += static_cast<double>(net.layer_bytes(k)));
    eo::generate_options options{.max_new_tokens = tokens};
    options.end_of_text.emplace();
    eo::thread_pool on(threads);
    for (std::size_t round = 0; round <= rounds; ++round) {
        for (std::size_t k = 1; k <= shape.layers; ++k) {
            // Deferred layers are never caught up here: a token reads its layers and the output matrix.
            eo::session s{
                net,
                eo::exit_policy{eo::exit_plan{eo::exit_layers(std::vector<std::size_t>{k}), eo::always_exit{}},
                                eo::shared_head{}, eo::defer{.prefill = eo::prefill::lazy}},
                {.run_on = &on}};
            const auto made = s.complete({static_cast<eo::token_id>(round)}, options);
            if (round != 0) times[k - 1].push_back(made.stats.decode_seconds / static_cast<double>(tokens - 1));
        }
    }
    for (const auto& of_layer : times) seconds.push_back(quantile(of_layer, 0.5));
    // seconds = intercept + bytes / bandwidth, least squares
    const double n = static_cast<double>(shape.layers);
    double x = 0, y = 0, xx = 0, xy = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        x += bytes[i] / n;
        y += seconds[i] / n;
        xx += bytes[i] * bytes[i] / n;
        xy += bytes[i] * seconds[i] / n;
    }
    const double slope = (xy - x * y) / (xx - x * x), intercept = y - slope * x;
    std::printf("%s, %zu threads\n%5s %9s %9s %9s %6s\n", format.name(), threads, "layer", "MB read", "ms", "line",
                "off");
    double worst = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const double line = intercept + slope * bytes[i], off = seconds[i] / line - 1.0;
        worst = std::max(worst, std::abs(off));
        std::printf("%5zu %9.1f %9.3f %9.3f %+5.1f%%\n", i + 1, bytes[i] * 1e-6, seconds[i] * 1e3, line * 1e3,
                    100 * off);
    }
    std::printf("intercept %.3f ms, slope %.1f GB/s, furthest point %.1f %% off the line\n", intercept * 1e3,
                1e-9 / slope, 100 * worst);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(eo::any_format(argc > 1 ? argv[1] : "int8"),
                   argc > 2 ? static_cast<std::size_t>(std::strtoul(argv[2], nullptr, 10)) : 1);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earlyout_exit_depth: %s\n", e.what());
        return 1;
    }
}
