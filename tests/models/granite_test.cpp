// SPDX-License-Identifier: MIT
#include <earlyout/models/granite.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"

namespace eo = earlyout;
using eo::errc;
using support::editable_copy;
using support::golden;
using support::read_error;
using support::thrown;
using support::tolerance;
using support::worst;

TEST_CASE("Granite computes what PyTorch computes", "[models][granite]") {
    for (const std::string name : {"granite", "granite_biases"}) {
        INFO(name);
        const auto model = eo::granite<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("each of Granite's multipliers changes the result", "[models][granite]") {
    for (const char* key : {"embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling"}) {
        INFO(key);
        auto from = editable_copy("granite");
        from.set(key, 2.0);
        CHECK(worst(eo::granite<>::from_checkpoint(from), golden("granite"), {100}, 8) > 0.01f);
        CHECK(read_error<eo::granite<>>(from.set(key, 0.0)) == thrown(errc::wrong_value, {key, "found 0"}));
        CHECK(read_error<eo::granite<>>(from.set(key, 1e-30)) == thrown(errc::wrong_value, {key, "1e-6", "1e-30"}));
    }
    CHECK(read_error<eo::granite<>>(editable_copy("granite").set("logit_scale", 2.0)) ==
          thrown(errc::unsupported, {"'logit_scale'", "2"}));
}
