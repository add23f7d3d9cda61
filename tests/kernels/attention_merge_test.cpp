// SPDX-License-Identifier: MIT
#include <earlyout/core/extent.hpp>
#include <earlyout/kernels/attention_merge.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

#include "support/archs.hpp"
#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using eo::kernels::softmax_state;
using support::misaligned;

namespace {

struct part {
    softmax_state state;
    std::vector<float> sums;
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("merged parts have the weights of one softmax", "[kernels][attention]", support::archs) {
    support::random_source random(1);
    for (const std::size_t head_dim : {1u, 7u, 16u, 20u, 64u}) {
        std::vector<part> parts;
        for (const float most : {3.0f, -2.0f, 5.0f, 5.0f, 4.0f}) {
            parts.push_back({{most, random.real(1, 100)}, random.floats(eo::round_up(head_dim, 16))});
        }
        misaligned found(head_dim, NAN);  // what was there does not matter
        softmax_state state;
        for (const part& p : parts) {
            eo::kernels::merge_attention(state, found.data(), p.state, p.sums.data(), eo::extent<>(head_dim),
                                         TestType{});
            eo::kernels::merge_attention(state, found.data(), {}, nullptr, eo::extent<>(head_dim), TestType{});
        }
        eo::kernels::finish_attention(state, found.data(), eo::extent<>(head_dim), TestType{});
        REQUIRE(found.intact());
        double all = 0.0;
        for (const part& p : parts) all += std::exp(static_cast<double>(p.state.most)) * p.state.sum;
        for (std::size_t k = 0; k < head_dim; ++k) {
            double expected = 0.0;
            for (const part& p : parts) expected += std::exp(static_cast<double>(p.state.most)) * p.sums[k] / all;
            CHECK_THAT(found[k], Catch::Matchers::WithinAbs(expected, 1e-6));
        }
    }
}

TEMPLATE_LIST_TEST_CASE("a sink takes its part of the sum and adds nothing", "[kernels][attention]", support::archs) {
    support::random_source random(2);
    for (const std::size_t head_dim : {1u, 16u, 20u}) {
        const std::vector<float> sums = random.floats(eo::round_up(head_dim, 16));
        const softmax_state seen{2.0f, 3.0f};
        const auto finished = [&](const softmax_state& state, float sink) {
            misaligned values(std::vector<float>(sums.begin(), sums.begin() + static_cast<std::ptrdiff_t>(head_dim)));
            eo::kernels::finish_attention(state, values.data(), eo::extent<>(head_dim), TestType{}, sink);
            CHECK(values.intact());
            return std::vector<float>(values.span().begin(), values.span().end());
        };
        for (const float sink : {-200.0f, -3.0f, 1.9f, 2.0f, 2.1f, 9.0f, 80.0f, 1e30f}) {
            const std::vector<float> found = finished(seen, sink);
            const double total = 3.0 + std::exp(static_cast<double>(sink) - 2.0);
            for (std::size_t k = 0; k < head_dim; ++k) {
                CHECK_THAT(found[k], Catch::Matchers::WithinAbs(double{sums[k]} / total, 1e-6));
            }
        }
        // Without one, nothing else is computed.
        misaligned plain(std::vector<float>(sums.begin(), sums.begin() + static_cast<std::ptrdiff_t>(head_dim)));
        eo::kernels::finish_attention(seen, plain.data(), eo::extent<>(head_dim), TestType{});
        CHECK(support::same_bits(finished(seen, eo::kernels::no_sink), plain.span()));
        CHECK(finished({}, 3.0f) == std::vector<float>(head_dim));
        CHECK(std::isnan(finished({NAN, NAN}, 3.0f)[0]));
        CHECK(std::isnan(finished({1.0f, 2.0f}, NAN)[0]));
    }
}

TEMPLATE_LIST_TEST_CASE("nothing merged is zero", "[kernels][attention]", support::archs) {
    misaligned values(20, NAN);
    eo::kernels::finish_attention(softmax_state{}, values.data(), eo::extent<>(20), TestType{});
    for (std::size_t k = 0; k < 20; ++k) CHECK(values[k] == 0.0f);
}

TEMPLATE_LIST_TEST_CASE("a part that is not a number makes the whole one", "[kernels][attention]", support::archs) {
    const std::vector<float> ones(16, 1.0f);
    misaligned values(16);
    softmax_state state;
    for (const softmax_state& p : {softmax_state{1.0f, 2.0f}, softmax_state{NAN, NAN}, softmax_state{0.5f, 2.0f}}) {
        eo::kernels::merge_attention(state, values.data(), p, ones.data(), eo::extent<>(16), TestType{});
    }
    eo::kernels::finish_attention(state, values.data(), eo::extent<>(16), TestType{});
    for (std::size_t k = 0; k < 16; ++k) CHECK(std::isnan(values[k]));
}
