// SPDX-License-Identifier: MIT
// Little of the library, and much of what objects share: templates of the standard library and of nlohmann-json.
#include "unit.hpp"

#include <earlyout/kernels/dot.hpp>
#include <earlyout/kernels/simd.hpp>

#include <cstddef>
#include <cstdio>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace {

/// Initialised when the variant is chosen, in its instructions.
const std::vector<float> values = [] {
    ++mixed::initialized;
    std::vector<float> made(1003);
    float next = 0.3f;
    for (float& value : made) value = next = 3.7f * next * (1.0f - next);
    return made;
}();

}  // namespace

namespace mixed {

std::vector<float> EARLYOUT_VARIANT::compute() {
    std::printf("%s\n", earlyout::instruction_set);
    nlohmann::json object;
    for (std::size_t n : {1u, 7u, 64u, 1003u}) {
        object[std::to_string(n)] = earlyout::kernels::dot(values.data(), values.data(), n);
    }
    std::map<std::string, std::vector<float>> rows;
    for (const auto& [name, value] : object.items()) {
        auto& row = rows[name];
        row.assign(values.begin(), values.begin() + 100);
        for (float& x : row) x = x * value.get<float>() + 1.0f;
    }
    std::vector<float> sums;
    for (const auto& [name, row] : rows) sums.push_back(std::accumulate(row.begin(), row.end(), 0.0f));
    return sums;
}

void EARLYOUT_VARIANT::refuse(int kind) {
    if (kind == 0) throw refusal("refused");
    if (kind == 1) earlyout::fail(earlyout::errc::unsupported, "refused by ", earlyout::instruction_set);
    (void)std::vector<int>().at(static_cast<std::size_t>(kind));
}

}  // namespace mixed
