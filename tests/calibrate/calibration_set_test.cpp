// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/calibration_set.hpp>

#include <earlyout/calibrate/bytes.hpp>

#include <algorithm>
#include <vector>

#include "calibrate/observed.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;
using support::observe;

TEST_CASE("every n-th observation is kept", "[calibrate][calibration_set]") {
    const auto all = observe(1, 97);
    const auto some = observe(1, 97, 5);
    REQUIRE(all.exit_count() == 4);
    CHECK(all.layer(3) == support::small_network().shape().layers);
    REQUIRE(some.size() == (all.size() + 4) / 5);
    for (std::size_t i = 0; i < some.size(); ++i) {
        CHECK(some.truth(i) == all.truth(5 * i));
        for (std::size_t e = 0; e < 4; ++e) {
            CHECK(some.argmax(e, i) == all.argmax(e, 5 * i));
            CHECK(std::ranges::equal(some.hidden(e, i), all.hidden(e, 5 * i)));
            CHECK(some.margin(e, i) == all.margin(e, 5 * i));
        }
    }
    using kept = calibrate::calibration_set;
    CHECK(kept::keep_every_within(1 << 20, 10, 4, 16) == 1);
    const std::size_t n = kept::keep_every_within(1 << 20, 100'000, 4, 16);
    CHECK(100'000 / n * kept::bytes_of_token(4, 16) <= 1 << 20);
}

TEST_CASE("calibration sets of parts are merged in order and serialized", "[calibrate][calibration_set]") {
    const auto first = observe(1, 40), second = observe(2, 50);
    auto merged = first;
    merged += second;
    REQUIRE(merged.size() == first.size() + second.size());
    CHECK(merged.truth(first.size()) == second.truth(0));
    CHECK(std::ranges::equal(merged.hidden(2, first.size() + 3), second.hidden(2, 3)));
    CHECK(merged.cross_entropy(1, first.size()) == second.cross_entropy(1, 0));
    calibrate::calibration_set none;
    none += merged;
    CHECK(none.size() == merged.size());
    CHECK(none.layer(2) == 4);
    const auto back = calibrate::from_bytes<calibrate::calibration_set>(calibrate::to_bytes(merged));
    CHECK(back.size() == merged.size());
    CHECK(std::ranges::equal(back.hidden(3), merged.hidden(3)));
    eo::inline_executor on;
    calibrate::collector collector(support::small_network(), {2}, 32, on);
    calibrate::calibration_set other;
    const std::vector<calibrate::corpus_text> texts{{"x", 1, {1, 2, 3, 4}}};
    (void)collector.run(texts, [&](const calibrate::window_observation& w) { other.add(w); });
    CHECK(support::error_of([&] { merged += other; }) == support::thrown(eo::errc::mismatch, {"4 exits", "2"}));
}
