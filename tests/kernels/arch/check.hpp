// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_KERNELS_ARCH_CHECK_HPP
#define EARLYOUT_TESTS_KERNELS_ARCH_CHECK_HPP

#include <earlyout/kernels/arch/all.hpp>
#include <earlyout/kernels/formats.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace support {

namespace arch = earlyout::kernels::arch;

/// Compares an instruction set's functions for a tag with plain arithmetic.
template <class Arch, class Tag>
class instruction_set {
public:
    explicit instruction_set(Tag tag) : tag_(tag) {}

    void check() {
        CHECK(arch::vector_registers(tag_) % 16 == 0);
        check_floats();
        check_halves();
        check_encode();
        check_bytes();
        check_fields();
        check_operands();
        check_eights();
    }
    /// Whether an instruction reads binary16.
    static constexpr bool loads_f16 = requires(const std::uint16_t* from, Tag tag) { arch::load_f16<Arch>(from, tag); };

    static constexpr bool loads_bf16 =
        requires(const std::uint16_t* from, Tag tag) { arch::load_bf16<Arch>(from, tag); };

    /// Whether codes up to 127 have a product of their own.
    static constexpr bool dots_small =
        requires(const xsimd::batch<std::int32_t, Arch>& a, Tag tag) { arch::byte_dot_small(a, a, a, tag); };

    static constexpr bool dots_signed =
        requires(const xsimd::batch<std::int32_t, Arch>& a, Tag tag) { arch::byte_dot_signed(a, a, a, tag); };
    /// Whether two rows of eight bytes are multiplied with two tokens'.
    static constexpr bool multiplies_eights =
        requires(const xsimd::batch<std::int32_t, Arch>& a, Tag tag) { arch::multiply_eights(a, a, a, tag); };

private:
    template <class T>
    using batch = xsimd::batch<T, Arch>;
    static constexpr std::size_t w = earlyout::kernels::lanes<Arch>;

    void check_floats() {
        // Numbers whose products and sums are exact, fused or not.
        alignas(64) float x[w], y[w], z[w], found[w];
        for (std::size_t i = 0; i < w; ++i) {
            x[i] = static_cast<float>(i * 7 % 11) - 5.0f;
            y[i] = static_cast<float>(i * 5 % 13) - 3.0f;
            z[i] = static_cast<float>(i) * 0.5f;
        }
        const auto load = [](const float* from) { return batch<float>::load_aligned(from); };
        arch::multiply_add(load(x), load(y), load(z), tag_).store_aligned(found);
        for (std::size_t i = 0; i < w; ++i) CHECK(found[i] == x[i] * y[i] + z[i]);
        const auto sum = [](const auto& a, const auto& b) { return a + b; };
        CHECK(arch::fold_lanes(load(x), sum, tag_) == std::accumulate(x, x + w, 0.0f));
        // Halves first: large values cancel before small ones are added.
        for (std::size_t i = 0; i < w; ++i) x[i] = i == 0 ? 0x1p30f : i == w / 2 ? -0x1p30f : 1.0f;
        CHECK(arch::fold_lanes(load(x), sum, tag_) == static_cast<float>(w - 2));
    }

    void check_halves() {
        alignas(64) std::uint16_t bits[w];
        alignas(64) std::uint32_t words[w];
        alignas(64) float floats[w];
        for (std::uint32_t first = 0; first < 0x10000; first += w) {
            for (std::uint32_t i = 0; i < w; ++i) bits[i] = static_cast<std::uint16_t>(first + i);
            arch::load_halves<Arch>(bits, tag_).store_aligned(words);
            REQUIRE(std::equal(bits, bits + w, words));
            if constexpr (loads_bf16) {
                arch::load_bf16<Arch>(bits, tag_).store_aligned(floats);
                for (std::size_t i = 0; i < w; ++i) {
                    REQUIRE(std::bit_cast<std::uint32_t>(floats[i]) == std::uint32_t{bits[i]} << 16);
                }
            }
            if constexpr (loads_f16) {
                if ((first & 0x7c00) == 0x7c00) continue;  // not finite
                arch::load_f16<Arch>(bits, tag_).store_aligned(floats);
                for (std::size_t i = 0; i < w; ++i) {
                    REQUIRE(std::bit_cast<std::uint32_t>(floats[i]) ==
                            std::bit_cast<std::uint32_t>(earlyout::f16_to_float(bits[i])));
                }
            }
        }
    }

    void check_encode() {
        random_source random(2);
        std::vector<float> x = random.floats(1003, 100.0f);
        std::copy_n(std::vector<float>{0.0f, -0.0f, 1e6f, -1e6f, 65504.0f, 65519.9f, 6e-8f, 1e-9f}.data(), 8, x.data());
        std::vector<std::uint16_t> found(x.size(), 0xffff);
        const std::size_t count = arch::encode_f16(x.data(), x.size(), found.data(), tag_);
        REQUIRE(count <= x.size());
        for (std::size_t i = 0; i < count; ++i) REQUIRE(found[i] == earlyout::f16::encode(x[i]));
        for (std::size_t i = count; i < x.size(); ++i) REQUIRE(found[i] == 0xffff);
    }

    void check_bytes() {
        random_source random(1);
        constexpr std::size_t parts = earlyout::group_size / w;
        alignas(64) std::uint8_t a[4 * w + 4]{};  // a little more, to load unaligned bytes
        alignas(64) std::int8_t b[4 * w];
        alignas(64) std::int32_t sum[w], found[w], values[parts * w];
        const auto load = [](const void* from) {
            return batch<std::int32_t>::load_aligned(static_cast<const std::int32_t*>(from));
        };
        for (int round = 0; round < 200; ++round) {
            for (std::size_t i = 0; i < 4 * w; ++i) {
                a[i] = static_cast<std::uint8_t>(round < 2 ? 255 : static_cast<int>(random.index(256)));
                b[i] = static_cast<std::int8_t>(round == 0   ? -128
                                                : round == 1 ? 127
                                                             : static_cast<int>(random.index(256)));
            }
            for (std::int32_t& s : sum) s = static_cast<std::int32_t>(random.index(1u << 24)) - (1 << 23);
            arch::byte_dot(load(a), load(b), load(sum), tag_).store_aligned(found);
            for (std::size_t i = 0; i < w; ++i) {
                std::int32_t expected = sum[i];
                for (std::size_t j = 4 * i; j < 4 * i + 4; ++j) expected += a[j] * b[j];
                REQUIRE(found[i] == expected);
            }
            batch<std::int32_t> codes[parts];
            for (std::int32_t& v : values) v = static_cast<std::int32_t>(random.index(256)) - 128;
            for (std::size_t p = 0; p < parts; ++p) codes[p] = load(values + p * w);
            std::int8_t stored[parts * w];
            std::int32_t halves[2];
            arch::store_bytes(codes, stored, halves, tag_);
            REQUIRE(halves[0] == std::accumulate(values, values + parts * w / 2, 0));
            REQUIRE(halves[1] == std::accumulate(values + parts * w / 2, values + parts * w, 0));
            REQUIRE(std::equal(values, values + parts * w, stored));

            // 16-bit halves, of which the sum of two products fits 32 bits.
            alignas(64) std::int16_t x[2 * w], y[2 * w];
            for (std::size_t i = 0; i < 2 * w; ++i) {
                x[i] = static_cast<std::int16_t>(static_cast<int>(random.index(255)) - 127);
                y[i] = static_cast<std::int16_t>(static_cast<int>(random.index(65535)) - 32767);
            }
            arch::pair_dot(load(x), load(y), load(sum), tag_).store_aligned(found);
            for (std::size_t i = 0; i < w; ++i) {
                REQUIRE(found[i] == sum[i] + x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1]);
            }
            std::int8_t pairs[2 * w + 1];  // a little more, to load unaligned bytes
            for (std::int8_t& byte : pairs) byte = static_cast<std::int8_t>(random.index(256));
            arch::load_byte_pairs<Arch>(pairs + 1, tag_).store_aligned(found);
            std::int16_t halves_found[2 * w];
            std::memcpy(halves_found, found, sizeof halves_found);
            for (std::size_t i = 0; i < 2 * w; ++i) REQUIRE(halves_found[i] == pairs[i + 1]);

            arch::load_bytes<Arch>(a + 1, tag_).store_aligned(found);
            REQUIRE(std::equal(a + 1, a + 1 + w, found));
            std::uint8_t table[16];
            for (std::uint8_t& entry : table) entry = static_cast<std::uint8_t>(random.index(256));
            for (std::uint8_t& byte : a) byte &= round < 2 ? 127 : 15;
            if constexpr (dots_small) {
                arch::byte_dot_small(load(a), load(b), load(sum), tag_).store_aligned(found);
                for (std::size_t i = 0; i < w; ++i) {
                    std::int32_t expected = sum[i];
                    for (std::size_t j = 4 * i; j < 4 * i + 4; ++j) expected += a[j] * b[j];
                    REQUIRE(found[i] == expected);
                }
            }
            for (std::uint8_t& byte : a) byte &= 15;
            arch::look_up<Arch>(table, load(a), tag_).store_aligned(found);
            std::uint8_t looked_up[4 * w];
            std::memcpy(looked_up, found, sizeof looked_up);
            for (std::size_t i = 0; i < 4 * w; ++i) REQUIRE(looked_up[i] == table[a[i]]);
        }
    }

    void check_fields() {
        random_source random(3);
        alignas(64) std::uint8_t held[4 * w], into[4 * w], found[4 * w];
        const auto load = [](const std::uint8_t* from) {
            return batch<std::int32_t>::load_aligned(reinterpret_cast<const std::int32_t*>(from));
        };
        const auto store = [&](const batch<std::int32_t>& from) {
            from.store_aligned(reinterpret_cast<std::int32_t*>(found));
        };
        for (std::uint8_t& byte : held) byte = static_cast<std::uint8_t>(random.index(256));
        for (const int width : {1, 2, 4}) {
            const int bits = (1 << width) - 1;
            for (int from = 0; from + width <= 8; ++from) {
                for (int to = 0; to + width <= 8; ++to) {
                    CAPTURE(width, from, to);
                    store(arch::move_field<Arch>(load(held), from, to, width, tag_));
                    for (std::size_t i = 0; i < 4 * w; ++i) REQUIRE(found[i] == (held[i] >> from & bits) << to);
                    for (std::uint8_t& byte : into) {
                        byte = static_cast<std::uint8_t>(static_cast<int>(random.index(256)) & ~(bits << to));
                    }
                    store(arch::insert_field<Arch>(load(into), load(held), from, to, width, tag_));
                    for (std::size_t i = 0; i < 4 * w; ++i) {
                        REQUIRE(found[i] == (into[i] | (held[i] >> from & bits) << to));
                    }
                }
            }
        }
    }

    /// Values of a token, and pairs of them, as products take them.
    void check_operands() {
        random_source random(4);
        alignas(64) std::uint8_t codes[4 * w];
        alignas(64) std::int16_t halves[2 * w];
        alignas(64) std::int32_t sum[w], found[w];
        std::int8_t values[17];  // one more, to load unaligned bytes
        const auto load = [](const void* from) {
            return batch<std::int32_t>::load_aligned(static_cast<const std::int32_t*>(from));
        };
        for (int round = 0; round < 100; ++round) {
            for (std::uint8_t& byte : codes) byte = static_cast<std::uint8_t>(round == 0 ? 128 : random.index(256));
            for (std::int8_t& byte : values) {
                byte = static_cast<std::int8_t>(round == 0 ? -127 : static_cast<int>(random.index(255)) - 127);
            }
            for (std::int32_t& s : sum) s = static_cast<std::int32_t>(random.index(1u << 24)) - (1 << 23);
            const auto held = arch::hold_values(values + 1, tag_);
            for (std::size_t four = 0; four < 4; ++four) {
                const auto value = arch::four_values<Arch>(held, four, tag_);
                const auto check = [&](const batch<std::int32_t>& made, auto code) {
                    made.store_aligned(found);
                    for (std::size_t i = 0; i < w; ++i) {
                        std::int32_t expected = sum[i];
                        for (std::size_t j = 0; j < 4; ++j) {
                            expected += code(codes[4 * i + j]) * values[1 + 4 * four + j];
                        }
                        REQUIRE(found[i] == expected);
                    }
                };
                if constexpr (dots_signed) {
                    check(arch::byte_dot_signed(load(codes), value, load(sum), tag_),
                          [](std::uint8_t code) { return int{static_cast<std::int8_t>(code)}; });
                } else {
                    check(arch::byte_dot(load(codes), value, load(sum), tag_),
                          [](std::uint8_t code) { return int{code}; });
                }
            }
            for (std::int16_t& half : halves) {
                half = static_cast<std::int16_t>(static_cast<int>(random.index(255)) - 127);
            }
            const auto lower = static_cast<std::int16_t>(random.index(65536)), upper = std::int16_t{-32767};
            const auto word = static_cast<std::int32_t>(static_cast<std::uint16_t>(lower) |
                                                        std::uint32_t{static_cast<std::uint16_t>(upper)} << 16);
            arch::pair_dot(arch::split_pairs(load(halves), tag_), batch<std::int32_t>(word), load(sum), tag_)
                .store_aligned(found);
            for (std::size_t i = 0; i < w; ++i) {
                REQUIRE(found[i] == sum[i] + halves[2 * i] * lower + halves[2 * i + 1] * upper);
            }
        }
    }

    void check_eights() {
        if constexpr (multiplies_eights) {
            random_source random(5);
            alignas(64) std::uint8_t fours[2][w][4];
            std::int8_t values[2][16];
            const auto load = [](const void* from) {
                return batch<std::int32_t>::load_aligned(static_cast<const std::int32_t*>(from));
            };
            for (int round = 0; round < 100; ++round) {
                const auto byte = [&] { return static_cast<int>(round == 0 ? 255 : random.index(256)); };
                for (auto& four : fours) {
                    for (auto& row : four) {
                        for (std::uint8_t& code : row) code = static_cast<std::uint8_t>(byte());
                    }
                }
                for (auto& token : values) {
                    for (std::int8_t& value : token) value = static_cast<std::int8_t>(byte() / 2 - 127);
                }
                batch<std::int32_t> rows[2], tokens[2], apart[2];
                arch::join_fours(load(fours[0]), load(fours[1]), rows, tag_);
                arch::load_two_tokens<Arch>(values[0], values[1], tokens, tag_);
                const auto start = arch::alternate<Arch>(1000, -2000, tag_);
                for (std::size_t half = 0; half < 2; ++half) {
                    arch::separate_tokens(arch::multiply_eights(rows[0], tokens[half], start, tag_),
                                          arch::multiply_eights(rows[1], tokens[half], start, tag_), apart, tag_);
                    for (std::size_t t = 0; t < 2; ++t) {
                        alignas(64) std::int32_t found[w];
                        apart[t].store_aligned(found);
                        for (std::size_t r = 0; r < w; ++r) {
                            std::int32_t expected = t == 0 ? 1000 : -2000;
                            for (std::size_t k = 0; k < 8; ++k) {
                                expected += fours[k / 4][r][k % 4] * values[t][8 * half + k];
                            }
                            REQUIRE(found[r] == expected);
                        }
                    }
                }
            }
        }
    }

    Tag tag_;
};

/// Checks all of an instruction set's functions: its own and inherited ones.
/// @param tag Arch{}, or that with extensions
template <class Arch, class Tag = Arch>
void check_instruction_set(Tag tag = {}) {
    instruction_set<Arch, Tag>(tag).check();
}

}  // namespace support

#endif
