// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/gates.hpp>

#include <earlyout/exit/catalogue.hpp>

#include <algorithm>

#include "calibrate/observed.hpp"
#include "support/catch.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

TEST_CASE("every fitted gate of the catalogue has a fit, and no other", "[calibrate][gates]") {
    const auto names = calibrate::fitted_gate_names();
    for (const eo::gate_entry& entry : eo::gate_catalogue()) {
        INFO(entry.info.name);
        CHECK((std::ranges::find(names, entry.info.name) != names.end()) == entry.is_fitted());
    }
    const auto seen = support::observe(2, 300);
    for (const std::string& name : names) {
        INFO(name);
        CHECK(calibrate::fit_gate({}, name, {seen, seen}).gate == name);
    }
    CHECK(calibrate::fit_gate({}, "margin", {seen, seen}).gate.empty());
}
