// SPDX-License-Identifier: MIT
#include <earlyout/io/generation_config.hpp>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a model without settings adds nothing and never ends", "[io][generation_config]") {
    const eo::io::generation_config none;
    CHECK_FALSE(none.add_bos);
    CHECK_FALSE(none.bos_token_id);
    CHECK(none.eos_token_ids.empty());
}
