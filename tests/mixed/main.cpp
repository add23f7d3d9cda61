// SPDX-License-Identifier: MIT
// PROGRAM [NAME]: what the widest variant that runs here computes, or the variant NAME, and that all that run here
// agree.
#include "unit.hpp"

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

int mixed::initialized = 0;

namespace {

/// What is thrown in the variant is caught here: by its type, and by that of std::exception.
bool catches() {
    try {
        mixed::refuse(0);
        return false;
    } catch (const mixed::refusal& e) {
        if (std::string_view(e.what()) != "refused") return false;
    }
    for (const int kind : {1, 2}) {
        try {
            mixed::refuse(kind);
            return false;
        } catch (const std::exception& e) {
            if (std::string_view(e.what()).empty()) return false;
        }
    }
    return true;
}

bool agree(const std::vector<float>& a, const std::vector<float>& b) {
    if (a.empty() || a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        // int8 rounds activations: a last bit may tip one of them over.
        const float slack = i < a.size() / 2 ? 1e-4f : 3e-2f;
        if (!(std::abs(a[i] - b[i]) <= slack * (1.0f + std::abs(a[i])))) {
            std::printf("value %zu: %g and %g\n", i, static_cast<double>(a[i]), static_cast<double>(b[i]));
            return false;
        }
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) try {
    auto& dispatcher = mixed::compute.dispatcher();
    const bool is_dispatched = dispatcher.variants().size() > 1;
    if (is_dispatched && mixed::initialized != 0) {
        std::printf("expected no static initializer before a variant is chosen, found %d\n", mixed::initialized);
        return 1;
    }
    if (argc > 1) dispatcher.choose(argv[1]);
    const std::vector<float> found = mixed::compute();
    for (const float value : found) std::printf("%a\n", static_cast<double>(value));
    if (mixed::initialized != 1) {
        std::printf("expected one variant's static initializers, once, found %d\n", mixed::initialized);
        return 1;
    }
    if (!catches()) {
        std::printf("expected to catch what a variant throws\n");
        return 1;
    }
    if (is_dispatched && argc == 1) {
        for (const auto& variant : dispatcher.variants()) {
            if (variant.runs_here() && !agree(found, mixed::compute.in(variant.name)())) return 1;
        }
    }
} catch (const std::exception& e) {
    std::printf("%s\n", e.what());
    return 1;
}
