// SPDX-License-Identifier: MIT
#include <earlyout/generate/scheduler_options.hpp>

#include "support/catch.hpp"

TEST_CASE("a scheduler by default runs four sequences of the model's context", "[generate][scheduler]") {
    const earlyout::scheduler_options made;
    CHECK(made.sequences == 4);
    CHECK(made.capacity == 0);
    CHECK(made.kv_pages == 0);
    CHECK(made.max_stall > 0.0);
    CHECK(made.run_on == nullptr);
}
