// SPDX-License-Identifier: MIT
#include <earlyout/kernels/code_planes.hpp>
#include <earlyout/weights/blocks.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "support/archs.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/random_blocks.hpp"

namespace eo = earlyout;

namespace {

using row_codes = std::array<std::uint8_t, eo::group_size>;

/// Random codes of 32 rows, stored row by row in an order in which neighbours do not follow each other.
template <int Bits>
std::vector<row_codes> fill(std::vector<std::uint8_t>& group) {
    using planes = eo::kernels::code_planes<Bits>;
    support::random_source random(Bits);
    group.assign(planes::group_bytes, 0xa5);
    std::vector<row_codes> rows(eo::kernels::panel_rows);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        row_codes& codes = rows[i * 13 % rows.size()];
        for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(random.index(1u << Bits));
        planes::store(group.data(), i * 13 % rows.size(), codes.data());
    }
    return rows;
}

template <int Bits>
void check_planes() {
    using planes = eo::kernels::code_planes<Bits>;
    STATIC_REQUIRE(planes::group_bytes == 128 * Bits);
    std::vector<std::uint8_t> group, other;
    const std::vector<row_codes> rows = fill<Bits>(group);
    row_codes found;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        planes::load(group.data(), r, found.data());
        REQUIRE(found == rows[r]);
    }
    fill<Bits>(other);
    planes::copy(group.data(), 3, other.data(), 30);
    planes::load(other.data(), 30, found.data());
    CHECK(found == rows[3]);
    planes::load(other.data(), 14, found.data());
    CHECK(found == rows[14]);
    alignas(64) std::int32_t all[8][eo::kernels::panel_rows];
    for (std::size_t four = 0; four < 8; ++four) {
        for (std::size_t r = 0; r < rows.size(); ++r) std::memcpy(&all[four][r], rows[r].data() + 4 * four, 4);
    }
    support::for_each_arch([&]<class Arch>(Arch) {
        std::vector<std::uint8_t> at_once(planes::group_bytes, 0x5a);
        planes::template store_rows<Arch>(at_once.data(), &all[0][0]);
        CHECK(at_once == group);
        constexpr std::size_t parts = eo::kernels::panel_rows / eo::kernels::lanes<Arch>;
        for (std::size_t four = 0; four < 8; ++four) {
            eo::kernels::int_batch<Arch> codes[parts];
            planes::template load<Arch>(group.data(), four, codes);
            alignas(64) std::int32_t words[eo::kernels::panel_rows];
            for (std::size_t p = 0; p < parts; ++p) codes[p].store_aligned(words + p * eo::kernels::lanes<Arch>);
            for (std::size_t r = 0; r < rows.size(); ++r) {
                REQUIRE(std::memcmp(&words[r], rows[r].data() + 4 * four, 4) == 0);
            }
        }
    });
}

}  // namespace

TEST_CASE("codes of every width come back, by row and by register", "[kernels][code_planes]") {
    check_planes<2>();
    check_planes<3>();
    check_planes<4>();
    check_planes<5>();
    check_planes<6>();
    check_planes<8>();
}

TEMPLATE_LIST_TEST_CASE("products read codes, or values plus code_zero", "[kernels][code_planes]",
                        support::group_formats) {
    std::vector<std::uint8_t> group;
    const std::vector<row_codes> rows = fill<TestType::bits>(group);
    using arch = eo::default_arch;
    constexpr std::size_t lanes = eo::kernels::lanes<arch>, parts = eo::kernels::panel_rows / lanes;
    int most = 0;
    for (std::size_t four = 0; four < 8; ++four) {
        eo::kernels::int_batch<arch> codes[parts];
        eo::kernels::load_codes<TestType, arch>(group.data(), four, codes);
        alignas(64) std::int32_t words[eo::kernels::panel_rows];
        for (std::size_t p = 0; p < parts; ++p) codes[p].store_aligned(words + p * lanes);
        for (std::size_t r = 0; r < rows.size(); ++r) {
            std::uint8_t bytes[4];
            std::memcpy(bytes, &words[r], 4);
            for (std::size_t i = 0; i < 4; ++i) {
                const int value = eo::detail::value_of<TestType>(rows[r][4 * four + i]);
                constexpr bool has_table = eo::has_values<TestType>;
                const int zero = has_table ? eo::kernels::code_zero<TestType, arch> : TestType::zero;
                REQUIRE(bytes[i] == static_cast<std::uint8_t>(value + zero));
                most = std::max(most, value + TestType::zero);
            }
        }
    }
    CHECK(most == eo::kernels::max_code<TestType>);
    constexpr bool shifted = eo::kernels::has_byte_dot_signed<arch> && eo::kernels::max_code<TestType> > 127;
    CHECK(eo::kernels::code_zero<TestType, arch> == TestType::zero - (shifted ? 128 : 0));
    constexpr eo::kernels::code_bytes bytes = eo::kernels::bytes_of_codes<TestType, arch>;
    CHECK((bytes == eo::kernels::code_bytes::less_128) == (shifted && !eo::has_values<TestType>));
}
