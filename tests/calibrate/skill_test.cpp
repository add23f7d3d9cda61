// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/skill.hpp>

#include <cstddef>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

namespace {

/// A text whose next token is 7 in one of four cases, else another each time.
std::vector<calibrate::corpus_text> quarter_sevens(std::size_t tokens) {
    calibrate::corpus_text text{"text", 1, {0}};
    for (std::size_t i = 0; i < tokens; ++i) text.ids.push_back(i % 4 == 0 ? 7 : static_cast<eo::token_id>(100 + i));
    return {text};
}
calibrate::exit_accuracy accuracy(std::size_t tokens, std::size_t right) {
    calibrate::exit_accuracy made;
    made.layers = {1, 2};
    made.tokens = tokens;
    made.right = {right / 2, right};
    made.agrees = {right / 2, tokens};
    return made;
}

}  // namespace

TEST_CASE("a model has to predict more than the most frequent token", "[calibrate][skill]") {
    CHECK_FALSE(calibrate::lack_of_skill(accuracy(1000, 400), quarter_sevens(1000)));
    const auto none = calibrate::lack_of_skill(accuracy(1000, 1), quarter_sevens(1000));
    REQUIRE(none);
    CHECK(*none ==
          "the model predicts 0.1 % of the next tokens of these texts, and always the most frequent one 25.0 %: "
          "expected a model that was trained on such text");
    CHECK(calibrate::lack_of_skill(accuracy(1000, 260), quarter_sevens(1000)));  // within the noise
    CHECK(calibrate::lack_of_skill({}, {}));
}

TEST_CASE("tokens are counted", "[calibrate][skill]") {
    calibrate::token_counter counter;
    CHECK(counter.most_frequent_share() == 0.0);
    for (const eo::token_id id : {3, 4, 3, 5}) counter.add(id);
    CHECK(counter.most_frequent_share() == 0.5);
}

TEST_CASE("exits are not refused without observations", "[calibrate][skill]") {
    CHECK_FALSE(calibrate::lack_of_exits(accuracy(10, 5), calibrate::calibration_set{}));
}
