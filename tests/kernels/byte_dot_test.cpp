// SPDX-License-Identifier: MIT
#include <earlyout/kernels/byte_dot.hpp>

#include <cstdint>
#include <cstring>

#include "support/archs.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;
using eo::kernels::int_batch;

namespace {

template <class Arch>
void check() {
    constexpr std::size_t w = eo::kernels::lanes<Arch>;
    alignas(64) std::uint8_t a[4 * w];
    alignas(64) std::int8_t b[4 * w];
    alignas(64) std::int32_t start[w];
    alignas(64) std::int32_t found[w];
    support::random_source random(1);
    for (int round = 0; round < 200; ++round) {
        const auto values = random.floats(9 * w);  // about -4 .. 4
        for (std::size_t i = 0; i < 4 * w; ++i) {
            a[i] = static_cast<std::uint8_t>(static_cast<int>(values[i] * 1000.0f));
            b[i] = static_cast<std::int8_t>(static_cast<int>(values[4 * w + i] * 1000.0f));
            if (round == 0) a[i] = 255, b[i] = -128;
            if (round == 1) a[i] = 255, b[i] = 127;
        }
        for (std::size_t i = 0; i < w; ++i) start[i] = static_cast<std::int32_t>(values[8 * w + i] * 1e6f);
        const auto words = [](const void* from) {
            return int_batch<Arch>::load_aligned(static_cast<const std::int32_t*>(from));
        };
        eo::kernels::byte_dot<Arch>(words(a), words(b), words(start)).store_aligned(found);
        for (std::size_t i = 0; i < w; ++i) {
            std::int32_t expected = start[i];
            for (std::size_t j = 4 * i; j < 4 * i + 4; ++j) expected += a[j] * b[j];
            REQUIRE(found[i] == expected);
        }
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("byte_dot: four products per lane", "[kernels][byte_dot]", support::archs) {
    check<TestType>();
}

namespace {

/// Sums of products of codes with the third four of a token's values, of which something is known.
template <class Arch, eo::kernels::code_bytes Bytes>
void check_known(int least, int most, int less) {
    constexpr std::size_t w = eo::kernels::lanes<Arch>;
    support::random_source random(5);
    alignas(64) std::uint8_t codes[4 * w];
    alignas(64) std::int32_t found[w];
    std::int8_t values[16];
    for (int round = 0; round < 200; ++round) {
        const auto between = [&](int from, int to) {
            return round == 0   ? from
                   : round == 1 ? to
                                : from + static_cast<int>(random.index(std::uint32_t(to - from + 1)));
        };
        for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(between(least, most));
        for (std::int8_t& value : values) value = static_cast<std::int8_t>(between(-127, 127));
        const eo::kernels::token_values<Arch> held(values);
        eo::kernels::byte_dot<Arch, Bytes>(int_batch<Arch>::load_aligned(reinterpret_cast<const std::int32_t*>(codes)),
                                           held.four(2), int_batch<Arch>(7))
            .store_aligned(found);
        for (std::size_t i = 0; i < w; ++i) {
            std::int32_t expected = 7;
            for (std::size_t j = 0; j < 4; ++j) {
                const int code = least < 0 ? int{static_cast<std::int8_t>(codes[4 * i + j])} : int{codes[4 * i + j]};
                expected += (code - less) * values[8 + j];
            }
            REQUIRE(found[i] == expected);
        }
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("byte_dot: where something is known of the codes", "[kernels][byte_dot]", support::archs) {
    using eo::kernels::code_bytes;
    check_known<TestType, code_bytes::small>(0, 127, 0);
    if constexpr (eo::kernels::has_byte_dot_signed<TestType>) {
        check_known<TestType, code_bytes::small>(-128, 127, 0);
        check_known<TestType, code_bytes::less_128>(0, 255, 128);
    } else {
        check_known<TestType, code_bytes::any>(0, 255, 0);
    }
}

TEMPLATE_LIST_TEST_CASE("pair_dot: two products of 16-bit halves per lane", "[kernels][byte_dot]", support::archs) {
    constexpr std::size_t w = eo::kernels::lanes<TestType>;
    support::random_source random(2);
    std::int8_t bytes[2 * w];
    alignas(64) std::int16_t halves[2 * w];
    alignas(64) std::int32_t found[w];
    for (int round = 0; round < 100; ++round) {
        for (std::int8_t& byte : bytes) byte = static_cast<std::int8_t>(round == 0 ? 128 : random.index(256));
        for (std::int16_t& half : halves) half = static_cast<std::int16_t>(round < 2 ? 32767 : random.index(65536));
        const auto pairs = int_batch<TestType>::load_aligned(reinterpret_cast<const std::int32_t*>(halves));
        eo::kernels::pair_dot<TestType>(eo::kernels::load_byte_pairs<TestType>(bytes), pairs, int_batch<TestType>(7))
            .store_aligned(found);
        for (std::size_t i = 0; i < w; ++i) {
            CHECK(found[i] == 7 + bytes[2 * i] * halves[2 * i] + bytes[2 * i + 1] * halves[2 * i + 1]);
        }
        std::int32_t word;
        std::memcpy(&word, halves, sizeof word);
        const auto split = eo::kernels::split_pairs<TestType>(eo::kernels::load_byte_pairs<TestType>(bytes));
        eo::kernels::pair_dot<TestType>(split, int_batch<TestType>(word), int_batch<TestType>(7)).store_aligned(found);
        for (std::size_t i = 0; i < w; ++i) {
            CHECK(found[i] == 7 + bytes[2 * i] * halves[0] + bytes[2 * i + 1] * halves[1]);
        }
    }
}
