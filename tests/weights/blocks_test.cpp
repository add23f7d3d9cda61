// SPDX-License-Identifier: MIT
#include <earlyout/weights/checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::dtype;
using eo::errc;
using support::error_of;
using support::thrown;

namespace {

std::vector<float> decode(dtype type, const std::vector<std::uint8_t>& block) {
    std::vector<float> out(block.size() / eo::block_bytes(type) * eo::block_elements(type));
    eo::to_floats({"w", type, {out.size()}, std::as_bytes(std::span(block))}, out, "m.gguf");
    return out;
}

/// A block of zero bytes with a binary16 one at `at`.
std::vector<std::uint8_t> block_with_one(dtype type, std::size_t at) {
    std::vector<std::uint8_t> block(eo::block_bytes(type));
    block[at + 1] = 0x3c;
    return block;
}

}  // namespace

// Agreement on random blocks of all types with another implementation: io/gguf_file_test.cpp.
TEST_CASE("a block's codes are where llama.cpp puts them", "[weights][blocks]") {
    std::vector<std::uint8_t> q8 = block_with_one(dtype::q8_0, 0);
    q8[2 + 5] = 0x80;
    CHECK(decode(dtype::q8_0, q8)[5] == -128.0f);
    CHECK(decode(dtype::q8_0, q8)[6] == 0.0f);

    std::vector<std::uint8_t> q4 = block_with_one(dtype::q4_0, 0);
    q4[2 + 3] = 0xf1;
    CHECK(decode(dtype::q4_0, q4)[3] == -7.0f);
    CHECK(decode(dtype::q4_0, q4)[19] == 7.0f);
    CHECK(decode(dtype::q4_0, q4)[0] == -8.0f);

    std::vector<std::uint8_t> q4_k = block_with_one(dtype::q4_k, 0);
    q4_k[4 + 1] = 0x80 | 3;        // group 1: scale 3; group 5: upper bits 2
    q4_k[4 + 9] = 1;               // group 5: lower bits 1, so scale 33
    q4_k[16 + 0] = 0x50;           // group 1, value 0
    q4_k[16 + 2 * 32 + 4] = 0x20;  // group 5, value 4
    CHECK(decode(dtype::q4_k, q4_k)[32] == 15.0f);
    CHECK(decode(dtype::q4_k, q4_k)[5 * 32 + 4] == 66.0f);

    std::vector<std::uint8_t> q6_k = block_with_one(dtype::q6_k, 208);
    q6_k[192 + 9] = 0xff;        // values 144 .. 159: scale -1
    q6_k[64 + 17] = 0x07;        // value 128 + 17: lower bits 7
    q6_k[128 + 32 + 17] = 0x02;  // and upper bits 2
    CHECK(decode(dtype::q6_k, q6_k)[145] == -7.0f);
    CHECK(decode(dtype::q6_k, q6_k)[144] == 32.0f);
    CHECK(decode(dtype::q6_k, q6_k)[143] == 0.0f);
}

TEST_CASE("block types name their formats, and the formats their sizes", "[weights][blocks]") {
    std::size_t formats = 0;
    for (const eo::dtype_facts& facts : eo::all_dtypes) {
        CHECK(&facts - eo::all_dtypes == static_cast<int>(facts.type));
        const bool found = eo::detail::visit_group_format(facts.type, [&]<class Format>(Format) {
            CHECK(Format::stored == facts.type);
            CHECK(Format::layout.values == facts.elements);
            ++formats;
        });
        CHECK(found == (facts.elements > 1));
    }
    CHECK(formats == 13);
}

TEST_CASE("a block with a scale that is not finite is named, and half a block is refused", "[weights][blocks]") {
    std::vector<std::uint8_t> blocks(34 * 200, 1);
    blocks[34 * 150 + 1] = 0x7c;
    CHECK(error_of([&] { (void)decode(dtype::q8_0, blocks); }) ==
          thrown(errc::wrong_value, {"m.gguf", "'w'", "element 4800", "finite"}));
    const std::vector<std::uint8_t> block(34);
    std::vector<float> out(48);
    CHECK(error_of([&] {
              eo::detail::to_floats({"w", dtype::q8_0, {32}, std::as_bytes(std::span(block))}, 16,
                                    std::span(out).first(16), "m.gguf");
          }) == thrown(errc::wrong_shape, {"'w'", "whole blocks of 32", "Q8_0"}));
    CHECK(error_of([&] {
              eo::to_floats({"w", dtype::q8_0, {32}, std::as_bytes(std::span(block))}, out, "m.gguf");
          }) == thrown(errc::wrong_shape, {"'w'", "32", "48"}));
}
