// SPDX-License-Identifier: MIT
#include <earlyout/io/fingerprint.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

std::string of(const char* name, eo::dtype type, std::vector<std::size_t> shape, const std::vector<float>& values) {
    eo::io::fingerprint made;
    made.add({name, type, std::move(shape), std::as_bytes(std::span(values))});
    return made.text();
}

}  // namespace

TEST_CASE("a fingerprint tells names, types, shapes and bytes apart", "[io][fingerprint]") {
    const std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8, 9};
    const std::string all = of("a", eo::dtype::f32, {9}, values);
    CHECK(all.size() == 16);
    CHECK(all.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(all == of("a", eo::dtype::f32, {9}, values));
    CHECK(all != of("b", eo::dtype::f32, {9}, values));
    CHECK(all != of("a", eo::dtype::f32, {3, 3}, values));
    CHECK(all != of("a", eo::dtype::bf16, {9}, values));
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::vector<float> other = values;
        other[i] = 0.0f;
        CHECK(all != of("a", eo::dtype::f32, {9}, other));
    }
    CHECK(eo::io::fingerprint().text() == "0000000000000000");
}
