// SPDX-License-Identifier: MIT
#include <earlyout/models/phi.hpp>

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

TEST_CASE("Phi computes what PyTorch computes", "[models][phi]") {
    for (const std::string name : {"phi", "phi_grouped"}) {
        INFO(name);
        const auto model = eo::phi<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("Phi refuses unsupported settings by name", "[models][phi][errors]") {
    const auto with = [](const char* key, const eo::memory_checkpoint::value& v) {
        return read_error<eo::phi<>>(editable_copy("phi").set(key, v));
    };
    CHECK(with("qk_layernorm", true) == thrown(errc::unsupported, {"'qk_layernorm'", "found true"}));
    CHECK(with("partial_rotary_factor", 2.5) == thrown(errc::wrong_value, {"'partial_rotary_factor'", "2.5"}));
    CHECK(with("tie_word_embeddings", true).code == "none");
    CHECK(with("intermediate_size", std::int64_t{64}) == thrown(errc::wrong_shape, {"fc1.weight"}));
}
