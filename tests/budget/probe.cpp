// SPDX-License-Identifier: MIT
// What compilations are compared with. It must stay as it is: the limits are multiples of what it takes.
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <regex>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace {

template <std::size_t N>
struct step {
    std::array<float, N + 1> values{};
    std::map<std::string, std::vector<std::variant<int, double, std::string>>> named;

    double run(const std::string& text) {
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * N) * 0.5f;
        std::sort(values.begin(), values.end(), [](float a, float b) { return a * N > b; });
        std::vector<std::pair<std::string, std::size_t>> pairs;
        for (std::size_t i = 0; i < N; ++i) pairs.emplace_back(text + std::to_string(i), i);
        std::stable_sort(pairs.begin(), pairs.end());
        for (auto& [name, index] : pairs) named[name].emplace_back(static_cast<int>(index));
        for (auto& [name, held] : named) held.emplace_back(std::string(name) + "x");
        const std::regex pattern("a(b|c)*" + std::to_string(N));
        return std::accumulate(values.begin(), values.end(), std::regex_search(text, pattern) ? 1.0 : 0.0);
    }
};

template <std::size_t... N>
double run_all(const std::string& text, std::index_sequence<N...>) {
    return (step<N>{}.run(text) + ...);
}

}  // namespace

int main(int argc, char** argv) { return run_all(argc > 1 ? argv[1] : "abc", std::make_index_sequence<24>()) > 0.0; }
