// SPDX-License-Identifier: MIT
#include <earlyout/core/scratch_arena.hpp>

#include <cstddef>
#include <cstdint>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("frames allocate in stack order and release", "[core][scratch_arena]") {
    eo::scratch_arena arena(eo::scratch_bytes<float>(10) + eo::scratch_bytes<std::int8_t>(70));
    CHECK(arena.capacity() == 64 + 128);
    CHECK(arena.used() == 0);
    const float* first = nullptr;
    {
        eo::scratch_frame outer(arena);
        const auto floats = outer.take<float>(10);
        first = floats.data();
        CHECK(floats.size() == 10);
        CHECK(arena.used() == 64);
        {
            eo::scratch_frame inner(arena);
            const auto bytes = inner.take<std::int8_t>(70);
            CHECK(reinterpret_cast<std::uintptr_t>(bytes.data()) % 64 == 0);
            CHECK(static_cast<const void*>(bytes.data()) != static_cast<const void*>(floats.data()));
            CHECK(arena.used() == 192);
        }
        CHECK(arena.used() == 64);
        const auto rows = outer.matrix(2, 3);
        CHECK(rows.row(1) == rows.row(0) + 3);
    }
    CHECK(arena.used() == 0);
    eo::scratch_frame again(arena);
    CHECK(again.take<float>(1).data() == first);
    CHECK(again.take<float>(0).empty());
}
