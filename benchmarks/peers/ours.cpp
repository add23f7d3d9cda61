// SPDX-License-Identifier: MIT
// Our half of the comparison, and the probes of the machine's limits at that moment.
//
//     earlyout_peer MODEL FORMAT THREADS [KV]      MODEL: a Hugging Face folder or a GGUF file
//
// Reads lines "prefill N", "decode N CACHED", "bandwidth", "peak" and replies to each with seconds, bytes per second or
// floating-point operations per second.
#include <earlyout/earlyout.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/kernels/any_format.hpp>
#include <earlyout/models/any_model.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace eo = earlyout;

namespace {

using clock_type = std::chrono::steady_clock;
using batch = eo::float_batch<eo::default_arch>;
constexpr std::size_t lanes = eo::kernels::lanes<eo::default_arch>;

double since(clock_type::time_point begun) { return std::chrono::duration<double>(clock_type::now() - begun).count(); }

std::vector<eo::token_id> some_ids(std::size_t count, std::size_t round, std::size_t vocab) {
    std::vector<eo::token_id> ids(count);
    for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<eo::token_id>((i * 7919 + 13 * round + 1) % vocab);
    return ids;
}

/// Returns bytes per second of reading memory in order, every thread its own part.
class bandwidth_probe {
public:
    bandwidth_probe() : data_((std::size_t{512} << 20) / sizeof(float)) {
        for (std::size_t i = 0; i < data_.size(); ++i) data_[i] = 1.0f;
    }
    double operator()(eo::executor& on) {
        const std::size_t pieces = on.concurrency(), each = data_.size() / pieces;
        sums_.assign(pieces * 16, 0.0f);
        const auto begun = clock_type::now();
        on.run(pieces, [&](std::size_t piece) {
            batch sum[8];
            for (auto& s : sum) s = batch(0.0f);
            const float* from = data_.data() + piece * each;
            for (std::size_t i = 0; i < each; i += 8 * lanes) {
#pragma GCC unroll 8
                for (std::size_t s = 0; s < 8; ++s) sum[s] += batch::load_aligned(from + i + s * lanes);
            }
            for (std::size_t s = 1; s < 8; ++s) sum[0] += sum[s];
            sums_[piece * 16] = eo::kernels::sum_lanes<eo::default_arch>(sum[0]);
        });
        return static_cast<double>(data_.bytes()) / since(begun);
    }

private:
    eo::aligned_buffer<float> data_;
    std::vector<float> sums_;
};

/// Returns floating-point operations per second of fused multiply-adds on registers.
double peak(eo::executor& on) {
    constexpr std::size_t sums = 12, rounds = 1 << 20;
    std::vector<float> results(on.concurrency() * 16);
    const auto begun = clock_type::now();
    on.run(on.concurrency(), [&](std::size_t piece) {
        batch sum[sums];
        for (std::size_t s = 0; s < sums; ++s)
            sum[s] = batch(static_cast<float>(piece + s));  // not the same twelve times
        const batch factor(0.999f), term(1e-3f);
        for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
            for (auto& s : sum) s = eo::kernels::multiply_add<eo::default_arch>(s, factor, term);
        }
        for (std::size_t s = 1; s < sums; ++s) sum[0] += sum[s];
        results[piece * 16] = eo::kernels::sum_lanes<eo::default_arch>(sum[0]);
    });
    return static_cast<double>(on.concurrency() * rounds * sums * lanes * 2) / since(begun);
}

int run(const std::string& path, const std::string& format, std::size_t threads, const std::string& kv) {
    const auto model = eo::io::load<eo::any_model>(path, eo::any_format(format));
    const auto& network = model.network();
    eo::thread_pool on(threads);
    eo::session session{model, eo::full_depth(), {.kv = eo::any_kv_format(kv), .run_on = &on}};
    bandwidth_probe bandwidth;
    std::size_t bytes = network.output_bytes();
    for (std::size_t layer = 1; layer <= network.shape().layers; ++layer) bytes += network.layer_bytes(layer);
    std::cout << "ready " << bytes << std::endl;
    std::string line;
    for (std::size_t round = 0; std::getline(std::cin, line); ++round) {
        std::istringstream words(line);
        std::string what;
        std::size_t count = 0, cached = 0;
        words >> what >> count >> cached;
        eo::generate_options options;
        options.end_of_text.emplace();  // never stops early
        double answer = 0;
        if (what == "bandwidth") {
            answer = bandwidth(on);
        } else if (what == "peak") {
            answer = peak(on);
        } else if (what == "prefill") {
            options.max_new_tokens = 1;
            answer = session.complete(some_ids(count, round, network.shape().vocab), options).stats.prefill_seconds;
        } else {
            // The prompt's last token counts as the first decoded one: from an empty cache it is.
            options.max_new_tokens = count;
            const auto prompt = some_ids(std::max<std::size_t>(cached, 1), round, network.shape().vocab);
            if (cached != 0) ++options.max_new_tokens;
            const auto stats = session.complete(prompt, options).stats;
            answer = stats.decode_seconds + (cached == 0 ? stats.prefill_seconds : 0.0);
        }
        std::cout.precision(9);
        std::cout << std::scientific << answer << std::endl;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4 || argc > 5) {
        std::cerr << "usage: earlyout_peer MODEL FORMAT THREADS [KV]\n";
        return 2;
    }
    try {
        return run(argv[1], argv[2], std::strtoul(argv[3], nullptr, 10), argc > 4 ? argv[4] : "f32");
    } catch (const std::exception& e) {
        std::cerr << "earlyout_peer: " << e.what() << '\n';
        return 1;
    }
}
