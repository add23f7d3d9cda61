// SPDX-License-Identifier: MIT
// Writes what every exit predicts on true text, for gate_study.py: for each token int32 text, position in its window,
// token, next token; then for each layer int32 arg-max and float32 p1, p1 - p2, entropy in nats.
//
//     earlyout_observe_exits MODEL OUT TOKENS FILE_OR_FOLDER...
#include <earlyout/calibrate/collect.hpp>
#include <earlyout/calibrate/corpus.hpp>
#include <earlyout/core/error.hpp>
#include <earlyout/core/machine.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

namespace eo = earlyout;
namespace calibrate = eo::calibrate;

namespace {

template <class T>
void put(std::ofstream& to, T value) {
    to.write(reinterpret_cast<const char*>(&value), sizeof value);
}

int run(const char* path, const char* out, std::size_t tokens, const std::vector<std::filesystem::path>& sources) {
    const auto model = eo::io::load<eo::any_model>(path, eo::any_format(std::string_view("stored")));
    const auto texts = calibrate::read_corpus(model, sources, {.suffixes = {".py"}, .max_tokens = tokens});
    const eo::model_shape& shape = model.network().shape();
    std::vector<std::size_t> layers(shape.layers - 1);
    std::iota(layers.begin(), layers.end(), std::size_t{1});
    eo::thread_pool on(eo::usable_processors());
    calibrate::collector collect(model.network(), layers, std::min<std::size_t>(256, shape.context), on);
    std::ofstream file(out, std::ios::binary);
    std::size_t written = 0;
    for (std::size_t t = 0; t < texts.size(); ++t) {
        (void)collect.run(std::span(texts).subspan(t, 1),
                          [&](const calibrate::window_observation& window) {
                              for (std::size_t i = 0; i < window.predictions(); ++i, ++written) {
                                  put(file, static_cast<std::int32_t>(t));
                                  put(file, static_cast<std::int32_t>(i));
                                  put(file, static_cast<std::int32_t>(window.tokens[i]));
                                  put(file, static_cast<std::int32_t>(window.truth(i)));
                                  for (const calibrate::exit_observation& exit : window.exits) {
                                      put(file, static_cast<std::int32_t>(exit.argmax[i]));
                                      put(file, exit.max_probability[i]);
                                      put(file, exit.margin[i]);
                                      put(file, exit.entropy[i]);
                                  }
                              }
                          },
                          {});
    }
    if (!file.flush()) eo::fail(eo::errc::io, out, ": cannot be written");
    std::printf("%zu tokens of %zu texts, %zu layers\n", written, texts.size(), shape.layers);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc < 5) eo::fail(eo::errc::invalid_argument, "usage: MODEL OUT TOKENS FILE_OR_FOLDER...");
        return run(argv[1], argv[2], std::strtoul(argv[3], nullptr, 10), {argv + 4, argv + argc});
    } catch (const std::exception& e) {
        std::fprintf(stderr, "earlyout_observe_exits: %s\n", e.what());
        return 1;
    }
}
