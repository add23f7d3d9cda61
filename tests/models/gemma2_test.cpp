// SPDX-License-Identifier: MIT
#include <earlyout/models/gemma2.hpp>

#include <algorithm>
#include <cstdint>
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

TEST_CASE("Gemma 2 computes what PyTorch computes", "[models][gemma2]") {
    for (const std::string name : {"gemma2", "gemma2_layer_types"}) {
        INFO(name);
        const auto model = eo::gemma2<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("Gemma 2's limits may be absent or null", "[models][gemma2]") {
    auto from = editable_copy("gemma2");
    CHECK(eo::gemma2<>::from_checkpoint(from).logit_cap() == 3.0f);
    CHECK(eo::gemma2_architecture::cap({from, ""}, "no_such_key", 30.0) == 30.0f);
    from.set("final_logit_softcapping", nullptr);
    CHECK(eo::gemma2<>::from_checkpoint(from).logit_cap() == 0.0f);
    for (const char* key : {"final_logit_softcapping", "attn_logit_softcapping"}) {
        auto other = editable_copy("gemma2");
        CHECK(worst(eo::gemma2<>::from_checkpoint(other.set(key, 1.0)), golden("gemma2"), {100}, 8) > 0.01f);
        CHECK(read_error<eo::gemma2<>>(other.set(key, -1.0)) == thrown(errc::wrong_value, {key, "-1"}));
    }
}

TEST_CASE("a summary of limited logits is that of all of them, bit for bit", "[models][gemma2]") {
    const auto model = eo::gemma2<>::from_checkpoint(editable_copy("gemma2"));
    const golden expected("gemma2");
    support::forward_pass pass(model, expected.ids, expected.ids.size());
    pass.run(1, model.shape().layers, 0, expected.ids.size());
    eo::run_context context(model, 4, support::one_thread());
    for (const std::size_t position : {0u, 5u, 29u}) {
        eo::kernels::logit_summary summary;
        model.logit_summaries({pass.hidden(position).data(), 1, model.shape().d_model}, {&summary, 1}, context);
        const auto logits = pass.logits(position);
        float most = logits[0];
        for (const float logit : logits) most = std::max(most, logit);
        CHECK(summary.top.first == most);
        CHECK(most < 3.0f);
    }
}

TEST_CASE("every other layer of Gemma 2 has the window unless they are listed", "[models][gemma2]") {
    eo::memory_checkpoint from = editable_copy("gemma2");
    const auto window = [&](std::size_t layer) { return eo::gemma2_architecture::window({from, "model."}, layer); };
    CHECK(window(1) == 6);
    CHECK(window(2) == 0);
    CHECK(window(3) == 6);
    from.set("layer_types.1", std::string("sliding_attention"));
    CHECK(window(2) == 6);
    from.set("sliding_window", nullptr);
    CHECK(window(2) == 0);
}
