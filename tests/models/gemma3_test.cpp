// SPDX-License-Identifier: MIT
#include <earlyout/models/gemma3.hpp>

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

TEST_CASE("Gemma 3 computes what PyTorch computes", "[models][gemma3]") {
    for (const std::string name : {"gemma3", "gemma3_rope_parameters"}) {
        INFO(name);
        const auto model = eo::gemma3<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("Gemma 3's layers with a window rotate with a base of their own", "[models][gemma3]") {
    for (const char* key : {"rope_local_base_freq", "rope_theta"}) {
        INFO(key);
        auto from = editable_copy("gemma3");
        from.set(key, 4000.0);
        CHECK(worst(eo::gemma3<>::from_checkpoint(from), golden("gemma3"), {100}, 8) > 0.01f);
    }
    auto absent = editable_copy("gemma3");
    absent.set("rope_theta", 1000000.0);
    CHECK(worst(eo::gemma3<>::from_checkpoint(absent), golden("gemma3"), {100}, 8) < tolerance);
}

TEST_CASE("one layer of six has no window by default", "[models][gemma3]") {
    eo::memory_checkpoint from;
    const auto window = [&](std::size_t layer) { return eo::gemma3_architecture::window({from, "model."}, layer); };
    CHECK(window(1) == 4096);
    CHECK(window(5) == 4096);
    CHECK(window(6) == 0);
    from.set("sliding_window_pattern", nullptr);
    CHECK(window(6) == 0);
    from.set("sliding_window_pattern", std::int64_t{2}).set("sliding_window", std::int64_t{9});
    CHECK(window(1) == 9);
    CHECK(window(2) == 0);
}

TEST_CASE("Gemma 3 refuses unsupported settings by name", "[models][gemma3][errors]") {
    const auto with = [](const char* name, const char* key, const eo::memory_checkpoint::value& v) {
        return read_error<eo::gemma3<>>(editable_copy(name).set(key, v));
    };
    CHECK(with("gemma3", "rope_parameters.rope_theta", 1e6) ==
          thrown(errc::unsupported, {"'rope_parameters'", "full_attention", "values for all"}));
    CHECK(with("gemma3_rope_parameters", "rope_parameters.sliding_attention.rope_type", std::string("longrope")) ==
          thrown(errc::unsupported, {"'rope_parameters.sliding_attention.rope_type'", "'longrope'"}));
    CHECK(with("gemma3", "model_type", std::string("gemma3")) ==
          thrown(errc::unsupported, {"'model_type'", "gemma3_text", "'gemma3'"}));
    CHECK(with("gemma3", "sliding_window_pattern", std::int64_t{0}) ==
          thrown(errc::wrong_value, {"'sliding_window_pattern'"}));
}
