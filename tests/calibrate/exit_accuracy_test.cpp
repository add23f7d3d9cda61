// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/exit_accuracy.hpp>

#include <earlyout/calibrate/bytes.hpp>
#include <earlyout/calibrate/collect.hpp>

#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using Catch::Matchers::WithinAbs;

TEST_CASE("accuracy of exits, counted by hand", "[calibrate][exit_accuracy]") {
    const std::vector<eo::token_id> tokens{9, 1, 2, 3, 4};  // truth: 1 2 3 4
    std::vector<calibrate::exit_observation> exits(2);
    exits[0].layer = 2;
    exits[0].argmax = {1, 8, 3, 7, 0};
    exits[0].cross_entropy = {1.0f, 2.0f, 3.0f, 4.0f};
    exits[1].layer = 4;
    exits[1].argmax = {1, 2, 6, 7, 0};
    exits[1].cross_entropy = {0.5f, 0.5f, 0.5f, 0.5f};
    calibrate::exit_accuracy a;
    a.add(calibrate::window_observation{tokens, exits});
    CHECK(a.tokens == 4);
    CHECK(a.right == std::vector<std::size_t>{2, 2});
    CHECK(a.first_right == std::vector<std::size_t>{2, 1});
    CHECK(a.never_right == 1);
    CHECK(a.agrees == std::vector<std::size_t>{2, 4});
    CHECK(a.first_agrees == std::vector<std::size_t>{2, 2});
    CHECK_THAT(a.cross_entropy[0], WithinAbs(10.0, 1e-6));
    CHECK_THAT(a.skipped_by_oracle(), WithinAbs(0.25, 1e-12));

    // Parts are merged and serialized.
    calibrate::exit_accuracy twice;
    twice += a;
    twice += calibrate::from_bytes<calibrate::exit_accuracy>(calibrate::to_bytes(a));
    CHECK(twice.tokens == 8);
    CHECK(twice.right == std::vector<std::size_t>{4, 4});
    CHECK(twice.never_right == 2);
    CHECK(twice.cross_entropy[0] == 2.0 * a.cross_entropy[0]);
    calibrate::exit_accuracy other = a;
    other.layers = {1, 4};
    CHECK(support::error_of([&] { twice += other; }).code == "mismatch");
}
