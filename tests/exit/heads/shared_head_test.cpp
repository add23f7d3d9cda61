// SPDX-License-Identifier: MIT
#include <earlyout/exit/heads/shared_head.hpp>

#include <vector>

#include "exit/head_fixtures.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace eo = earlyout;

TEST_CASE("the shared head is the model's own output, after any layer", "[exit][shared_head]") {
    const eo::model_shape two_layers =
        eo::model_shape{.layers = 2, .d_model = 8, .heads = 2, .vocab = 9, .context = 4}.completed();
    support::echo_output output(two_layers);
    const std::vector<float> hidden = support::random_source(1).floats(8);
    CHECK(output.ask(eo::shared_head{}, 1, hidden, 9) == output.ask(eo::shared_head{}, 2, hidden, 9));
    CHECK(eo::uses_lm_head(eo::shared_head{}));
    CHECK(eo::shortlist_of(eo::shared_head{}).tokens == 0);
    CHECK(eo::head_scratch_bytes(eo::shared_head{}, 7) == 0);
}
