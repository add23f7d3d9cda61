// SPDX-License-Identifier: MIT
#include <earlyout/io/gguf_file.hpp>
#include <earlyout/io/mapped_file.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/gguf.hpp"

namespace eo = earlyout;
using eo::errc;
using eo::io::gguf;
using support::error_of;
using support::gguf_builder;
using support::raw;
using support::raw_text;
using support::thrown;

namespace {

gguf parse(std::string_view bytes) { return {std::as_bytes(std::span(bytes)), "m.gguf"}; }

support::caught parsing(std::string_view bytes) {
    return error_of([&] { (void)parse(bytes); });
}
support::caught parsing(const gguf_builder& made) { return parsing(made.bytes()); }

}  // namespace

TEST_CASE("gguf finds tensors by name, and refuses unsupported types only on access", "[io][gguf]") {
    gguf_builder made;
    made.version = 2;
    made.set("general.alignment", 64u);
    made.alignment = 64;
    made.floats("a", {2, 3}, {1, 2, 3, 4, 5, 6}).tensor("b", {}, 30, raw<std::uint16_t>(0x3f80));
    made.tensor("q", {2, 32}, 8, std::string(68, '\1')).tensor("old", {256}, 16, std::string(66, '\0'));
    made.tensor("new", {1}, 77, "x").floats("none", {0, 5}, {});
    const std::string bytes = made.bytes();
    const gguf from = parse(bytes);
    CHECK(from.version() == 2);
    REQUIRE(from.tensors().size() == 4);
    CHECK(from.find("a")->shape == std::vector<std::size_t>{2, 3});
    std::vector<float> values(6);
    eo::to_floats(*from.find("a"), values, "m.gguf");
    CHECK(values == std::vector<float>{1, 2, 3, 4, 5, 6});
    CHECK(from.find("b")->element_count() == 1);
    CHECK(from.find("b")->bytes.size() == 2);
    CHECK(from.find("q")->type == eo::dtype::q8_0);
    CHECK(from.find("q")->bytes.size() == 68);
    CHECK(from.find("none")->bytes.empty());
    CHECK(from.find("absent") == nullptr);
    CHECK(from.others().size() == 2);
    CHECK(error_of([&] { (void)from.find("old"); }) ==
          thrown(errc::unsupported, {"m.gguf", "'old'", "Q6_K", "IQ2_XXS"}));
    CHECK(error_of([&] { (void)from.find("new"); }) == thrown(errc::unsupported, {"'new'", "type 77"}));
}

TEST_CASE("gguf blocks are decoded to the values of another implementation", "[io][gguf]") {
    const eo::io::mapped_file file(EARLYOUT_TEST_DATA "/gguf/blocks.gguf");
    const gguf from(file.bytes(), file.path());
    for (const std::string name : {"q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k",
                                   "iq4_nl", "iq4_xs", "mxfp4"}) {
        INFO(name);
        const eo::tensor_view* const blocks = from.find(name);
        const eo::tensor_view* const values = from.find(name + ".values");
        REQUIRE(blocks != nullptr);
        std::vector<float> found(blocks->element_count());
        std::vector<float> expected(found.size());
        eo::to_floats(*blocks, found, name);
        eo::to_floats(*values, expected, name);
        CHECK(found == expected);
    }
}

TEST_CASE("every kind of damage to a gguf file's tensors is named", "[io][gguf]") {
    SECTION("in the tensors") {
        for (const std::uint32_t alignment : {0u, 24u, 1u << 21}) {
            CHECK(parsing(gguf_builder().set("general.alignment", alignment)) ==
                  thrown(errc::malformed_file, {"general.alignment", "power of two", std::to_string(alignment)}));
        }
        const auto with = [](std::uint64_t tensors, const std::string& infos) {
            return parsing("GGUF" + raw<std::uint32_t>(3) + raw(tensors) + raw<std::uint64_t>(0) + infos);
        };
        CHECK(with(~0ull, "") == thrown(errc::malformed_file, {"tensor 0", "left"}));
        CHECK(with(1, raw_text("w")) == thrown(errc::malformed_file, {"'w'", "left"}));
        CHECK(with(1, raw_text("w") + raw<std::uint32_t>(5)) ==
              thrown(errc::malformed_file, {"'w'", "at most 4", "5"}));
        CHECK(with(1, raw_text(std::string(2000, 'n'))) == thrown(errc::malformed_file, {"tensor 0", "1024", "2000"}));

        const std::string four(16, '\0');
        CHECK(parsing(gguf_builder().tensor_at("w", {4}, 0, 8, four)) ==
              thrown(errc::malformed_file, {"'w'", "multiple of 32", "8"}));
        CHECK(parsing(gguf_builder().tensor("w", {9}, 0, four)) ==
              thrown(errc::malformed_file, {"'w'", "36 bytes", "32 bytes of data"}));
        CHECK(parsing(gguf_builder().tensor_at("w", {4}, 0, 64, four)) == thrown(errc::malformed_file, {"'w'", "64"}));
        CHECK(parsing(gguf_builder().tensor("w", {4}, 0, four).tensor_at("v", {4}, 0, 0, four)) ==
              thrown(errc::malformed_file, {"offset from 16 on", "found 0"}));
        CHECK(parsing(gguf_builder().tensor("w", {4}, 0, four).tensor("w", {4}, 0, four)) ==
              thrown(errc::malformed_file, {"'w'", "twice"}));
        CHECK(parsing(gguf_builder().tensor("w", {3, 48}, 8, four)) ==
              thrown(errc::malformed_file, {"'w'", "blocks of 32", "Q8_0", "[3, 48]"}));
        const std::size_t huge = std::numeric_limits<std::size_t>::max() / 2 + 1;
        CHECK(parsing(gguf_builder().tensor("w", {huge, 2, 4}, 0, four)) ==
              thrown(errc::malformed_file, {"'w'", "larger than any file"}));
    }
    SECTION("by truncating it anywhere") {
        gguf_builder made;
        made.set("text", "words").set("reals", std::vector<float>{1, 2}).floats("w", {2}, {1, 2});
        const std::string whole = made.header() + std::string(40, '\0');
        for (std::size_t size = 0; size < made.header().size(); ++size) {
            const support::caught found = parsing(whole.substr(0, size));
            if (found.code != "malformed_file") FAIL("cut after " << size << " bytes: " << found);
        }
    }
}
