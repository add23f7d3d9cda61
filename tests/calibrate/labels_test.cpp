// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/labels.hpp>

#include <vector>

#include "support/catch.hpp"

namespace calibrate = earlyout::calibrate;
using calibrate::gate_label;
using calibrate::label_rule;

namespace {

/// Predictions of the exits for one token whose truth is 1; the last is full depth.
struct predictions {
    std::vector<int> argmax;
    [[nodiscard]] std::size_t exit_count() const { return argmax.size(); }
    [[nodiscard]] bool right(std::size_t e, std::size_t) const { return argmax[e] == 1; }
    [[nodiscard]] bool agrees(std::size_t e, std::size_t) const { return argmax[e] == argmax.back(); }
};

std::vector<gate_label> labels(const predictions& seen, label_rule rule) {
    std::vector<gate_label> made;
    for (std::size_t e = 0; e < seen.exit_count(); ++e) made.push_back(label_of(seen, e, 0, rule));
    return made;
}

constexpr auto give_up = gate_label::stop;
constexpr auto leave = gate_label::exit;
constexpr auto go_on = gate_label::go_on;
using list = std::vector<gate_label>;

}  // namespace

TEST_CASE("labels where an exit is correct and a deeper one is wrong again", "[calibrate][labels]") {
    const predictions seen{{5, 1, 6, 1}};
    CHECK(labels(seen, label_rule::paper) == list{go_on, leave, leave, leave});
    CHECK(labels(seen, label_rule::right) == list{go_on, leave, go_on, leave});
    CHECK(labels(seen, label_rule::agrees) == list{go_on, leave, go_on, leave});
    CHECK(labels(seen, label_rule::harmless) == list{go_on, leave, go_on, leave});
}

TEST_CASE("labels where full depth is wrong and an exit is not", "[calibrate][labels]") {
    const predictions seen{{1, 7, 7}};
    CHECK(labels(seen, label_rule::paper) == list{leave, leave, leave});
    CHECK(labels(seen, label_rule::right) == list{leave, go_on, go_on});
    CHECK(labels(seen, label_rule::agrees) == list{go_on, leave, leave});
    CHECK(labels(seen, label_rule::harmless) == list{give_up, give_up, give_up});
    CHECK(is_correct_exit(seen, 1, 0, label_rule::harmless));
}

TEST_CASE("labels where no exit is correct", "[calibrate][labels]") {
    const predictions seen{{5, 7, 7}};
    for (const label_rule rule : {label_rule::paper, label_rule::right, label_rule::agrees, label_rule::harmless}) {
        CHECK(labels(seen, rule) == list{give_up, give_up, give_up});
    }
    CHECK_FALSE(is_correct_exit(seen, 0, 0, label_rule::agrees));
    CHECK(is_correct_exit(seen, 1, 0, label_rule::agrees));
    CHECK(is_correct_exit(seen, 0, 0, label_rule::harmless));
}

TEST_CASE("label rules have names", "[calibrate][labels]") {
    CHECK(calibrate::find_label_rule("paper") == label_rule::paper);
    CHECK(calibrate::find_label_rule("harmless") == label_rule::harmless);
    CHECK_FALSE(calibrate::find_label_rule("Paper").has_value());
}
