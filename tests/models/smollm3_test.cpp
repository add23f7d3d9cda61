// SPDX-License-Identifier: MIT
#include <earlyout/models/smollm3.hpp>

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

TEST_CASE("SmolLM3 computes what PyTorch computes", "[models][smollm3]") {
    for (const std::string name : {"smollm3", "smollm3_interval"}) {
        INFO(name);
        const auto model = eo::smollm3<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("the window of SmolLM3 is in the layers that are listed", "[models][smollm3]") {
    eo::memory_checkpoint from = editable_copy("smollm3");
    const auto window = [&](std::size_t layer) { return eo::smollm3_architecture::window({from, "model."}, layer); };
    CHECK(window(1) == 0);
    CHECK(window(2) == 9);
    from.set("layer_types.0", std::string("sliding_attention")).set("layer_types.1", std::string("full_attention"));
    CHECK(window(1) == 9);
    CHECK(window(2) == 0);
    from.set("use_sliding_window", false);
    CHECK(window(1) == 0);
    CHECK(read_error<eo::smollm3<>>(from) == thrown(errc::unsupported, {"'layer_types.0'", "'sliding_attention'"}));
}

TEST_CASE("absent keys of a SmolLM3 configuration have Hugging Face's defaults", "[models][smollm3]") {
    eo::memory_checkpoint from = editable_copy("smollm3_interval");
    from.set("no_rope_layer_interval", std::int64_t{4});
    CHECK(worst(eo::smollm3<>::from_checkpoint(from), golden("smollm3_interval"), {100}, 8) < tolerance);
    from.set("no_rope_layer_interval", nullptr);
    CHECK(worst(eo::smollm3<>::from_checkpoint(from), golden("smollm3_interval"), {100}, 8) < tolerance);
    from.set("no_rope_layer_interval", std::int64_t{3});
    CHECK(worst(eo::smollm3<>::from_checkpoint(from), golden("smollm3_interval"), {100}, 8) > 0.01f);
    from.set("num_key_value_heads", nullptr).set("num_attention_heads", std::int64_t{8});
    CHECK(eo::smollm3_architecture::shape({from, "model."}).kv_heads == 8);
}

TEST_CASE("SmolLM3 refuses a list that lacks layers", "[models][smollm3][errors]") {
    eo::memory_checkpoint from = editable_copy("smollm3_interval");
    from.set("no_rope_layers.0", std::int64_t{1});
    CHECK(read_error<eo::smollm3<>>(from) == thrown(errc::malformed_file, {"'no_rope_layers.1'", "missing"}));
    CHECK(read_error<eo::smollm3<>>(editable_copy("smollm3").set("no_rope_layer_interval", std::int64_t{0})).code ==
          "none");  // the list has all
}
