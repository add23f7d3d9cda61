// SPDX-License-Identifier: MIT
#include <earlyout/weights/weight_arena.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;

namespace {

std::uintptr_t address(const void* of) { return reinterpret_cast<std::uintptr_t>(of); }

}  // namespace

TEST_CASE("matrices of one arena are adjacent, aligned and zero", "[weights][weight_arena]") {
    eo::weight_arena arena;
    std::vector<eo::aligned_buffer<float>> made;
    for (const std::size_t size : {1u, 16u, 100u, 5000u}) made.push_back(eo::weight_arena::make<float>(&arena, size));
    CHECK(address(made[0].data()) % eo::aligned_buffer<float>::huge_page == 0);
    for (std::size_t i = 0; i < made.size(); ++i) {
        CHECK(address(made[i].data()) % 64 == 0);
        CHECK(std::ranges::count(made[i].span(), 0.0f) == static_cast<long>(made[i].size()));
        if (i != 0)
            CHECK(address(made[i].data()) - address(made[i - 1].data()) == eo::round_up(made[i - 1].bytes(), 64));
    }
}

TEST_CASE("buffers outlive their arena, and one larger than a chunk gets a separate one", "[weights][weight_arena]") {
    std::optional<eo::weight_arena> arena(std::in_place, 4096);
    auto small = eo::weight_arena::make<std::uint8_t>(&*arena, 100);
    auto large = eo::weight_arena::make<std::uint8_t>(&*arena, 5 << 20);
    auto none = eo::weight_arena::make<std::uint8_t>(&*arena, 0);
    arena.reset();
    std::fill(small.span().begin(), small.span().end(), std::uint8_t{7});
    std::fill(large.span().begin(), large.span().end(), std::uint8_t{9});
    CHECK(small[99] == 7);
    CHECK(large[(5 << 20) - 1] == 9);
    CHECK(none.size() == 0);
    CHECK(none.data() == nullptr);
}

TEST_CASE("without an arena a matrix owns its memory", "[weights][weight_arena]") {
    const auto made = eo::weight_arena::make<float>(nullptr, 3);
    CHECK(made.size() == 3);
    CHECK(made[2] == 0.0f);
}
