// SPDX-License-Identifier: MIT
#include <earlyout/generate/completion_job.hpp>

#include "support/catch.hpp"

TEST_CASE("a job reuses prefixes and predicts unless told otherwise", "[generate][completion_job]") {
    const earlyout::completion_job<int, int> made;
    CHECK(made.reuses_prefix);
    CHECK_FALSE(made.only_prefill);
    CHECK_FALSE(made.on_token);
    CHECK_FALSE(made.on_end);
    CHECK_FALSE(made.on_error);
    CHECK(made.policy == nullptr);
}
