// SPDX-License-Identifier: MIT
#include <earlyout/exit/catalogue.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "exit/exit_point.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("every gate of the catalogue describes itself", "[exit][catalogue]") {
    std::set<std::string_view> names;
    for (const eo::gate_entry& entry : eo::gate_catalogue()) {
        INFO(entry.info.name);
        CHECK(names.insert(entry.info.name).second);
        CHECK(eo::find_gate(entry.info.name) == &entry);
        CHECK_FALSE(entry.info.brief.empty());
        for (const eo::gate_parameter& p : entry.info.parameters) {
            INFO(p.name);
            CHECK_FALSE(p.meaning.empty());
            CHECK((p.otherwise >= p.min && p.otherwise <= p.max));
            std::vector<float> from_conservative(p.grid.begin(), p.grid.end());
            for (const float value : from_conservative) CHECK((value >= p.min && value <= p.max));
            if (p.direction == eo::threshold_direction::higher_is_conservative) std::ranges::reverse(from_conservative);
            CHECK(std::ranges::is_sorted(from_conservative));
        }
        if (!entry.is_fitted()) {
            std::vector<float> values;
            for (const eo::gate_parameter& p : entry.info.parameters) values.push_back(p.otherwise);
            const auto gate = entry.make(values, nullptr);
            CHECK(gate.run_time_signals() == entry.signals);
        }
    }
    CHECK(eo::find_gate("margins") == nullptr);
    CHECK(eo::find_gate("margin")->reads_logits());
    CHECK(eo::find_gate("kl-divergence")->reads_logits());
    CHECK_FALSE(eo::find_gate("sec")->reads_logits());
}

TEST_CASE("a gate made by name decides as one made by type", "[exit][catalogue]") {
    const std::vector<float> sure{8.0f, 0.0f, 0.0f}, unsure{1.0f, 0.9f, 0.0f};
    for (const auto& [name, threshold] : {std::pair{"margin", 0.5f}, {"max-probability", 0.5f}, {"entropy", 0.5f}}) {
        INFO(name);
        const auto gate = eo::find_gate(name)->make(std::vector{threshold}, nullptr);
        support::exit_point at(sure), other(unsure);
        CHECK(at.ask(gate) == eo::decision::exit);
        CHECK(other.ask(gate) == eo::decision::go_on);
    }
}
