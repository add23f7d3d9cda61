// SPDX-License-Identifier: MIT
#include <earlyout/kernels/packing_groups.hpp>

#include <earlyout/core/matrix_view.hpp>

#include <cstdint>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

TEMPLATE_TEST_CASE("groups come back as they were stored, wherever their row is", "[kernels][packing_groups]", eo::int8,
                   eo::int4) {
    eo::packed_matrix<TestType> matrix(70, 64);
    CHECK(matrix.panels() == 3);
    CHECK(matrix.groups() == 2);
    CHECK(matrix.bytes() >= 3 * 2 * eo::packed_matrix<TestType>::group_bytes);
    support::random_source random(2);
    std::vector<eo::kernels::coded_group> stored;
    for (std::size_t row = 0; row < 70; ++row) {
        for (std::size_t g = 0; g < 2; ++g) {
            eo::kernels::coded_group group{};
            group.scale = static_cast<std::uint16_t>(row * 2 + g);
            const std::vector<float> values = random.floats(eo::group_size, 3.0f);
            for (std::size_t k = 0; k < eo::group_size; ++k) group.codes[k] = static_cast<std::int8_t>(values[k]);
            matrix.set_group(row, g, group);
            stored.push_back(group);
        }
    }
    for (std::size_t i = 0; i < stored.size(); ++i) {
        const auto found = matrix.group(i / 2, i % 2);
        CHECK(found.scale == stored[i].scale);
        CHECK(std::equal(std::begin(found.codes), std::end(found.codes), std::begin(stored[i].codes)));
    }
}
