// SPDX-License-Identifier: MIT
// Bytes of text tokenized per second, for a file of each family, and on runs of one character; the time per byte of a
// run hardly depends on its length.
//
//     earlyout_io_benchmarks [--benchmark_filter=code]
#include <earlyout/text/tokenizer.hpp>

#include "text/tokenizer_fixtures.hpp"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace {

using earlyout::text::tokenizer;

/// All of the library's headers.
const std::string& code() {
    static const std::string text = [] {
        std::string all;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(EARLYOUT_INCLUDE_DIR)) {
            if (entry.is_regular_file()) all += support::read_text(entry.path().string());
        }
        return all;
    }();
    return text;
}

void encode(benchmark::State& state, const tokenizer& words, const std::string& text) {
    std::size_t tokens = 0;
    for (auto _ : state) {
        const auto ids = words.encode(text);
        tokens = ids.size();
        benchmark::DoNotOptimize(ids.data());
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(text.size()));
    state.counters["bytes_per_token"] = static_cast<double>(text.size()) / static_cast<double>(tokens);
}

[[maybe_unused]] const bool registered = [] {
    static const auto golden = support::json::parse(support::tokenizer_data("families.json"));
    for (const auto& family : golden.at("families")) {
        if (family.dump().find("\"NF") != std::string::npos && !earlyout::text::detail::has_unicode_forms) continue;
        const auto words = support::family_tokenizer(golden, family);
        const auto name = family.at("name").get<std::string>();
        benchmark::RegisterBenchmark((name + "/code").c_str(),
                                     [words](benchmark::State& state) { encode(state, words, code()); });
        for (const std::string_view run : {"a", " ", "\n", "\xe6\xbc\xa2"}) {
            const std::string shown = run == "\n" ? "newline" : run == " " ? "space" : std::string(run);
            for (const std::size_t size : {std::size_t{1} << 14, std::size_t{1} << 20}) {
                std::string text;
                while (text.size() < size) text += run;
                benchmark::RegisterBenchmark((name + "/" + shown + "/" + std::to_string(size)).c_str(),
                                             [words, text](benchmark::State& state) { encode(state, words, text); });
            }
        }
    }
    return true;
}();

}  // namespace
