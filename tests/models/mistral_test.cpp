// SPDX-License-Identifier: MIT
#include <earlyout/models/mistral.hpp>

#include <cstdint>
#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/golden_pass.hpp"

namespace eo = earlyout;
using eo::errc;
using support::editable_copy;
using support::error_of;
using support::golden;
using support::read_error;
using support::thrown;
using support::tolerance;
using support::worst;

TEST_CASE("Mistral's window may be absent", "[models][mistral]") {
    const golden without("mistral_no_window");
    CHECK(worst(eo::mistral<>::from_checkpoint(editable_copy("mistral_no_window")), without, {1000}, 8) < tolerance);
    // With one, the same weights give something else once the text is longer.
    eo::memory_checkpoint from = editable_copy("mistral_no_window");
    from.set("sliding_window", std::int64_t{3});
    CHECK(worst(eo::mistral<>::from_checkpoint(from), without, {1000}, 8) > 0.01f);
    from.set("sliding_window", std::int64_t{100000});
    CHECK(worst(eo::mistral<>::from_checkpoint(from), without, {1000}, 8) < tolerance);
}

TEST_CASE("Mistral refuses a window without meaning", "[models][mistral][errors]") {
    CHECK(read_error<eo::mistral<>>(editable_copy("mistral_window").set("sliding_window", std::int64_t{0})) ==
          thrown(errc::wrong_value, {"'sliding_window'", "positive"}));
    CHECK(read_error<eo::mistral<>>(editable_copy("mistral_window").set("sliding_window", std::string("4096"))).code ==
          "malformed_file");
}
