// SPDX-License-Identifier: MIT
#include <earlyout/calibrate/fit_options.hpp>

#include <cstddef>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
namespace calibrate = earlyout::calibrate;

TEST_CASE("exits are fitted after the layers that are asked for, or after all but the last",
          "[calibrate][fit_options]") {
    const eo::model_shape shape{.layers = 4, .d_model = 20};
    calibrate::fit_options options;
    CHECK(calibrate::layers_to_fit(options, shape) == std::vector<std::size_t>{1, 2, 3});
    options.layers = {2, 4};
    CHECK(calibrate::layers_to_fit(options, shape) == std::vector<std::size_t>{2});
    options.layers = {4};
    CHECK(support::error_of([&] { (void)calibrate::layers_to_fit(options, shape); }) ==
          support::thrown(eo::errc::invalid_argument, {"exit layers", "1 .. 3", "none"}));
    options = {};
    options.head_fit.rank = 21;
    CHECK(support::error_of([&] { (void)calibrate::layers_to_fit(options, shape); }) ==
          support::thrown(eo::errc::invalid_argument, {"rank", "20", "21"}));
}
