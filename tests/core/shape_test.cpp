// SPDX-License-Identifier: MIT
#include <earlyout/core/shape.hpp>

#include <utility>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::model_shape;

namespace {

constexpr model_shape good{.layers = 2, .d_model = 12, .heads = 4, .vocab = 7, .context = 5};

support::caught checked(model_shape shape) {
    return support::error_of([&] { eo::check_shape(shape, "config.json"); });
}
model_shape with(std::size_t model_shape::*member, std::size_t value) {
    model_shape s = good.completed();
    s.*member = value;
    return s;
}

}  // namespace

TEST_CASE("a shape is completed by convention, and only where it is unspecified", "[core][shape]") {
    constexpr model_shape c = good.completed();
    static_assert(c.kv_heads == 4 && c.head_dim == 3 && c.d_ff == 48);
    static_assert(c.d_query() == 12 && c.d_kv() == 12 && c.completed() == c);
    constexpr model_shape grouped =
        model_shape{.layers = 1, .d_model = 12, .heads = 4, .kv_heads = 2, .head_dim = 5, .d_ff = 9}.completed();
    static_assert(grouped.d_query() == 20 && grouped.d_kv() == 10 && grouped.d_ff == 9);
    static_assert(model_shape{}.completed().head_dim == 0);
    CHECK(checked(c).code == "none");
}

TEST_CASE("impossible sizes are refused by name before anything is allocated", "[core][shape]") {
    const std::pair<std::size_t model_shape::*, const char*> members[] = {
        {&model_shape::layers, "layers"},     {&model_shape::d_model, "d_model"},
        {&model_shape::heads, "heads"},       {&model_shape::kv_heads, "key-value heads"},
        {&model_shape::head_dim, "head_dim"}, {&model_shape::d_ff, "d_ff"},
        {&model_shape::vocab, "vocabulary"},  {&model_shape::context, "context"}};
    for (const auto& [member, name] : members) {
        CHECK(checked(with(member, 0)) ==
              support::thrown(eo::errc::wrong_value, {"config.json", name, "expected 1 ..", "found 0"}));
        CHECK(checked(with(member, static_cast<std::size_t>(-1))).code == "wrong_value");
    }
    CHECK(checked(with(&model_shape::kv_heads, 3)) ==
          support::thrown(eo::errc::wrong_value, {"heads", "multiple of the 3", "found 4"}));
    CHECK(checked(with(&model_shape::kv_heads, 8)) ==
          support::thrown(eo::errc::wrong_value, {"key-value heads", "expected 1 .. 4", "found 8"}));
    CHECK(checked(with(&model_shape::kv_heads, 2)).code == "none");
}
