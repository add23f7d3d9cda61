// SPDX-License-Identifier: MIT
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/nn/linear.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "support/buffers.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/forward_pass.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace eo = earlyout;
namespace reference = support::reference;

namespace {

template <class Linear>
void set(Linear& into, const std::vector<float>& weight, const std::vector<float>& bias) {
    into.weight().set_rows(0, {weight.data(), into.out(), into.in()});
    std::copy(bias.begin(), bias.end(), into.bias().begin());
}

/// A context with the scratch memory that one layer takes.
template <class Linear>
eo::run_context context_of(const Linear& layer, std::size_t tokens, eo::executor& on = support::one_thread()) {
    return eo::run_context(support::scratch_of_part<Linear>{&layer}, tokens, on);
}

}  // namespace

TEST_CASE("linear is W x + b for any size", "[nn][linear]") {
    const std::size_t out = GENERATE(1u, 31u, 32u, 33u, 100u);
    const std::size_t in = GENERATE(1u, 17u, 64u);
    const std::size_t tokens = GENERATE(1u, 2u, 13u);
    support::random_source random(1);
    const std::vector<float> weight = random.floats(out * in);
    const std::vector<float> bias = random.floats(out);
    const std::vector<float> x = random.floats(tokens * in);
    eo::linear<> layer(out, in);
    set(layer, weight, bias);
    REQUIRE(layer.out() == out);
    REQUIRE(layer.in() == in);

    constexpr float untouched = 77.0f;
    const std::size_t stride = out + 3;  // the gap between the rows is unchanged
    std::vector<float> y(tokens * stride, untouched);
    auto one = context_of(layer, tokens);
    layer({x.data(), tokens, in}, {y.data(), tokens, out, stride}, one);
    for (std::size_t t = 0; t < tokens; ++t) {
        const std::span<const float> row(x.data() + t * in, in);
        CHECK(reference::distance(std::span(y.data() + t * stride, out), reference::linear(weight, bias, row, out)) <
              1e-5 * std::sqrt(static_cast<double>(in)));
        CHECK(std::count(y.begin() + static_cast<std::ptrdiff_t>(t * stride + out),
                         y.begin() + static_cast<std::ptrdiff_t>((t + 1) * stride), untouched) == 3);
    }
}

TEST_CASE("a new linear layer is all zero", "[nn][linear]") {
    eo::linear<> layer(5, 3);
    const std::vector<float> x{1, 2, 3};
    std::vector<float> y(5, 9.0f);
    auto one = context_of(layer, 1);
    layer({x.data(), 1, 3}, {y.data(), 1, 5}, one);
    CHECK(y == std::vector<float>(5, 0.0f));
}

TEST_CASE("the upper rows alone have the same bits, and the lower ones are unchanged", "[nn][linear]") {
    constexpr std::size_t out = 150, in = 21, tokens = 4, first = 64;
    support::random_source random(2);
    eo::linear<> layer(out, in);
    set(layer, random.floats(out * in), random.floats(out));
    const std::vector<float> x = random.floats(tokens * in);
    std::vector<float> all(tokens * out);
    std::vector<float> part(tokens * out, 5.0f);
    auto one = context_of(layer, tokens);
    layer({x.data(), tokens, in}, {all.data(), tokens, out}, one);
    CHECK(one.work().weight_bytes == layer.bytes());
    layer.rows_from(first, {x.data(), tokens, in}, {part.data(), tokens, out}, one);
    CHECK(one.work().weight_bytes == layer.bytes() + 4 * (96 * in + out - first));
    for (std::size_t t = 0; t < tokens; ++t) {
        const std::span<const float> row(part.data() + t * out, out);
        CHECK(std::ranges::count(row.first(first), 5.0f) == first);
        CHECK(
            support::same_bits(row.subspan(first), std::span<const float>(all).subspan(t * out + first, out - first)));
    }
}

TEST_CASE("threads and a size known at compile time do not change a bit", "[nn][linear]") {
    constexpr std::size_t out = 3000, in = 70, tokens = 5;
    support::random_source random(3);
    const std::vector<float> weight = random.floats(out * in);
    const std::vector<float> bias = random.floats(out);
    const std::vector<float> x = random.floats(tokens * in);
    eo::linear<> dynamic(out, in);
    eo::linear<eo::f32, in> fixed(out, in);
    set(dynamic, weight, bias);
    set(fixed, weight, bias);
    std::vector<float> a(tokens * out), b(tokens * out), c(tokens * out);
    eo::thread_pool pool(3);
    auto one = context_of(dynamic, tokens), many = context_of(dynamic, tokens, pool);
    dynamic({x.data(), tokens, in}, {a.data(), tokens, out}, one);
    dynamic({x.data(), tokens, in}, {b.data(), tokens, out}, many);
    fixed({x.data(), tokens, in}, {c.data(), tokens, out}, many);
    CHECK(support::same_bits(a, b));
    CHECK(support::same_bits(a, c));
}

TEMPLATE_TEST_CASE("formats that round activations: threads and blocks do not change a bit", "[nn][linear][arithmetic]",
                   eo::int8, eo::int4) {
    constexpr std::size_t out = 3000, in = 70, tokens = 40;
    support::random_source random(4);
    eo::linear<TestType> layer(out, in);
    set(layer, random.floats(out * in), random.floats(out));
    const std::vector<float> x = random.floats(tokens * in);
    std::vector<float> a(tokens * out), b(tokens * out), c(tokens * out);
    eo::thread_pool pool(3);
    auto one = context_of(layer, tokens), many = context_of(layer, tokens, pool);
    layer({x.data(), tokens, in}, {a.data(), tokens, out}, one);
    layer({x.data(), tokens, in}, {b.data(), tokens, out}, many);
    CHECK(support::same_bits(a, b));
    for (std::size_t t = 0; t < tokens; ++t) {
        layer({x.data() + t * in, 1, in}, {c.data() + t * out, 1, out}, many);
    }
    CHECK(support::same_bits(a, c));
}

TEST_CASE("linear refuses another size than the compiled one", "[nn][linear]") {
    using fixed = eo::linear<eo::f32, 8>;
    CHECK(support::error_of([] { fixed(4, 9, "attention input"); }) ==
          support::thrown(eo::errc::wrong_shape, {"attention input", "compiled for 8", "found 9"}));
}

TEST_CASE("linear counts its weights and its bias", "[nn][linear]") {
    CHECK(eo::linear<>(33, 10).bytes() == 4 * (64 * 10 + 33));
}

TEST_CASE("a summary is that of the product's own bits, on any threads and beside any rows",
          "[nn][linear][arithmetic]") {
    constexpr std::size_t out = 2300, in = 70, rows = eo::linear<>::summary_rows;
    support::random_source random(12);
    const std::vector<float> weight = random.floats(out * in), bias = random.floats(out), x = random.floats(rows * in);
    std::vector<eo::kernels::logit_summary> blocks((out + eo::kernels::summary_block - 1) / eo::kernels::summary_block);
    eo::thread_pool two(2);
    for (const char* format : {"f32", "bf16", "int8", "int4"}) {
        eo::linear<eo::any_format> layer(out, in, "output", eo::any_format(format));
        set(layer, weight, bias);
        std::vector<float> y(rows * out);
        auto one = context_of(layer, rows);
        layer({x.data(), rows, in}, {y.data(), rows, out}, one);
        for (eo::executor* on : {&support::one_thread(), static_cast<eo::executor*>(&two)}) {
            for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{7}, rows}) {
                auto context = context_of(layer, count, *on);
                std::vector<eo::kernels::logit_summary> found(count);
                const auto before = context.work().weight_bytes;
                layer.summarize({x.data(), count, in}, found, context);
                CHECK(context.work().weight_bytes - before == layer.bytes());
                for (std::size_t i = 0; i < count; ++i) {
                    CAPTURE(format, on->concurrency(), count, i);
                    const auto expected = eo::kernels::summarize(y.data() + i * out, out, blocks);
                    CHECK(found[i].top.index == expected.top.index);
                    CHECK(found[i].top.first == expected.top.first);
                    CHECK(found[i].top.second == expected.top.second);
                    CHECK(found[i].sum == expected.sum);
                }
            }
        }
    }
}
