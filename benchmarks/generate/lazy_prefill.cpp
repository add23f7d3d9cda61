// SPDX-License-Identifier: MIT
// Cost of a prompt whose first token is stopped at, or exits after, layer k, against the whole prompt at full depth
// first. `second at full depth`: the same and then a token that needs all layers, which the prompt must then run after
// all: the final cost of deferral. Decisions are forced, so weights and texts do not matter.
//
//     earlyout_lazy_prefill [FORMAT [THREADS [ROUNDS]]]      GPT-2's shape (124M), random weights; the example model
//
// Milliseconds, medians; every round measures everything once, in another order.
#include <earlyout/earlyout.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/kernels/any_format.hpp>
#include <earlyout/models/gpt2.hpp>

#include "../quantile.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "support/random_network.hpp"

namespace eo = earlyout;

namespace {

using network = eo::gpt2<eo::any_format>;

/// The decision forced at the end of the prompt; later tokens run to full depth.
struct forced {
    static constexpr eo::signal_set signals = eo::no_signals;
    eo::decision first = eo::decision::exit;

    eo::decision operator()(const auto& s) const { return s.new_tokens() == 0 ? first : eo::decision::go_on; }
};

enum class measure { eager, leave, stop, eager_second, leave_second };

struct what {
    std::size_t prompt = 0;
    std::size_t layer = 0;  ///< 0: eager
    measure kind = measure::eager;

    friend auto operator<=>(const what&, const what&) = default;
};

/// Seconds until the first token, the stop, or the second token.
double seconds(const network& net, const what& w, std::size_t round, eo::executor& on) {
    const bool eager = w.layer == 0;
    const auto first = w.kind == measure::stop ? eo::decision::stop : eo::decision::exit;
    eo::session s{
        net,
        eo::exit_policy{eo::exit_plan{eo::exit_layers(std::vector<std::size_t>{eager ? 1 : w.layer}),
                                      forced{eager ? eo::decision::go_on : first}},
                        eo::shared_head{}, eo::defer{.prefill = eager ? eo::prefill::eager : eo::prefill::lazy}},
        {.capacity = std::min(net.shape().context, w.prompt + 1), .run_on = &on}};
    const bool second = w.kind == measure::eager_second || w.kind == measure::leave_second;
    eo::generate_options options{.max_new_tokens = second ? std::size_t{2} : std::size_t{1}};
    options.end_of_text.emplace();
    std::vector<eo::token_id> prompt(w.prompt);
    for (std::size_t i = 0; i < prompt.size(); ++i) {
        prompt[i] = static_cast<eo::token_id>((i * 7919 + round) % net.shape().vocab);
    }
    const eo::run_stats stats = s.complete(prompt, options).stats;
    return stats.prefill_seconds + stats.decode_seconds;
}

void table(const char* name, const network& net, std::span<const std::size_t> prompts,
           std::span<const std::size_t> layers, std::size_t rounds, eo::executor& on) {
    std::vector<what> all;
    for (const std::size_t prompt : prompts) {
        all.push_back({prompt, 0, measure::eager});
        all.push_back({prompt, 0, measure::eager_second});
        for (const std::size_t layer : layers) {
            for (const measure kind : {measure::leave, measure::stop, measure::leave_second}) {
                all.push_back({prompt, layer, kind});
            }
        }
    }
    std::map<what, std::vector<double>> times;
    std::mt19937 engine(1);
    for (std::size_t round = 0; round <= rounds; ++round) {
        std::shuffle(all.begin(), all.end(), engine);
        for (const what& w : all) {
            const double t = seconds(net, w, round, on);
            if (round != 0) times[w].push_back(t);  // the first warms up threads and caches
        }
    }
    std::printf("%s, %s, %zu threads, medians of %zu, ms\n", name, net.weight_format().c_str(), on.concurrency(),
                rounds);
    std::printf("%6s %6s | %27s | %16s | %25s\n", "", "", "first token", "stop", "second at full depth");
    std::printf("%6s %6s | %9s %9s %7s | %8s %7s | %9s %9s %5s\n", "prompt", "layer", "eager", "lazy", "share", "lazy",
                "share", "eager", "lazy", "ratio");
    for (const std::size_t prompt : prompts) {
        const auto of = [&](std::size_t layer, measure kind) { return quantile(times.at({prompt, layer, kind}), 0.5); };
        const double eager = of(0, measure::eager), eager_second = of(0, measure::eager_second);
        for (const std::size_t layer : layers) {
            const double leave = of(layer, measure::leave), stop = of(layer, measure::stop),
                         leave_second = of(layer, measure::leave_second);
            std::printf("%6zu %6zu | %9.2f %9.2f %5.1f %% | %8.2f %5.1f %% | %9.2f %9.2f %5.2f\n", prompt, layer,
                        eager * 1e3, leave * 1e3, 100 * leave / eager, stop * 1e3, 100 * stop / eager,
                        eager_second * 1e3, leave_second * 1e3, leave_second / eager_second);
        }
    }
    std::printf("\n");
}

int run(eo::any_format format, std::size_t threads, std::size_t rounds) {
    eo::thread_pool on(threads);
    {
        const eo::model_shape shape{
            .layers = 12, .d_model = 768, .heads = 12, .d_ff = 3072, .vocab = 50257, .context = 1024};
        const network net = network::from_checkpoint(support::random_gpt2_checkpoint(shape, 1), format);
        const std::size_t prompts[] = {64, 128, 256, 512, 1000}, layers[] = {1, 3, 6, 9};
        table("GPT-2's shape (124M)", net, prompts, layers, rounds, on);
    }
    const auto model = eo::io::load<network>(EARLYOUT_EXAMPLE_MODEL, format);
    const std::size_t prompts[] = {64, 128, 256, 500}, layers[] = {1, 2, 4, 6};
    table("the example model", model.network(), prompts, layers, 2 * rounds + 1, on);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const auto number = [&](int at, std::size_t otherwise) {
            return argc > at ? static_cast<std::size_t>(std::strtoul(argv[at], nullptr, 10)) : otherwise;
        };
        return run(eo::any_format(argc > 1 ? argv[1] : "int8"), number(2, 1), std::max<std::size_t>(1, number(3, 5)));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earlyout_lazy_prefill: %s\n", e.what());
        return 1;
    }
}
