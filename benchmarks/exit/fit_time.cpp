// SPDX-License-Identifier: MIT
// What a fit is estimated to take and what it takes, step by step. The model may have random weights, which `earlyout
// fit` refuses: all policies are tried, however much they lose.
//
//     earlyout_fit_time MODEL TOKENS SAMPLES shared|adapter FILE_OR_FOLDER...
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/calibrate/estimate_fit.hpp>
#include <earlyout/calibrate/fit_exits.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/machine.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/resource.h>

namespace eo = earlyout;
namespace calibrate = eo::calibrate;

namespace {

double peak_megabytes() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_maxrss) / 1000.0;
}

/// Seconds by the first words of what a fit reports.
class stage_times {
public:
    void operator()(std::string_view what, std::size_t, std::size_t) {
        const auto now = std::chrono::steady_clock::now();
        std::string name(what.substr(0, what.find(' ')));
        if (name != name_) {
            close(now);
            name_ = std::move(name);
            begun_ = now;
        }
    }
    void print() {
        close(std::chrono::steady_clock::now());
        for (const auto& [name, seconds] : times_) std::printf("  %-12s %8.1f s\n", name.c_str(), seconds);
    }

private:
    void close(std::chrono::steady_clock::time_point now) {
        if (!name_.empty()) times_.emplace_back(name_, std::chrono::duration<double>(now - begun_).count());
        name_.clear();
    }
    std::string name_;
    std::chrono::steady_clock::time_point begun_;
    std::vector<std::pair<std::string, double>> times_;
};

int run(const char* path, std::size_t tokens, std::size_t samples, const std::string& heads,
        const std::vector<std::filesystem::path>& sources) {
    auto model = eo::io::load<eo::any_model>(path, eo::any_format(std::string_view("stored")));
    const auto texts =
        calibrate::read_corpus(model, sources, {.suffixes = {".py"}, .max_tokens = tokens, .max_tokens_per_text = 100});
    const double loaded = peak_megabytes();
    calibrate::fit_options options;
    options.heads = heads;
    options.needs_skill = false;
    options.samples.count = samples;
    options.thresholds.loss = 1.0;
    options.thresholds.confidence = 0.0;
    options.thresholds.few_layers = false;  // a tenth of the policies: enough to compare
    eo::thread_pool on(eo::usable_processors());
    const auto expected = calibrate::estimate_fit(model, texts, options, 0, on).value();
    std::printf("estimated, %zu threads\n", on.concurrency());
    for (const calibrate::fit_step& step : expected.steps) {
        std::printf("  %-32s %8.1f s %10.1f MB\n", step.name.c_str(), step.seconds, step.bytes / 1e6);
    }
    std::printf("  %-32s %8.1f s %10.1f MB; %zu of %zu tokens kept, %zu policies, %zu prompts\n", "together",
                expected.seconds(), expected.bytes() / 1e6, expected.kept, expected.tokens, expected.policies,
                expected.samples);

    stage_times stages;
    const auto begun = std::chrono::steady_clock::now();
    const calibrate::monitor watch{
        .progress = [&](std::string_view what, std::size_t done, std::size_t all) { stages(what, done, all); }};
    const eo::model_shape& shape = model.network().shape();
    (void)calibrate::fit_exits(model, texts, options, {shape.layers, shape.d_model, shape.vocab, "", "stored"}, {}, on,
                               watch);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    std::puts("taken");
    stages.print();
    std::printf("  %-12s %8.1f s; peak memory %.1f MB, of which %.1f after loading\n", "together", seconds,
                peak_megabytes(), loaded);
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 6) {
        std::fputs("usage: earlyout_fit_time MODEL TOKENS SAMPLES shared|adapter FILE_OR_FOLDER...\n", stderr);
        return 2;
    }
    return run(argv[1], std::strtoul(argv[2], nullptr, 10), std::strtoul(argv[3], nullptr, 10), argv[4],
               {argv + 5, argv + argc});
} catch (const std::exception& e) {
    std::fprintf(stderr, "earlyout_fit_time: %s\n", e.what());
    return 1;
}
