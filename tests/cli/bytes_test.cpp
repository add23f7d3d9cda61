// SPDX-License-Identifier: MIT
#include "cli/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>

#include "support/catch.hpp"

namespace {

std::string refusal(double bytes, std::optional<std::uint64_t> available, const std::string& advice) {
    try {
        cli::require_memory("model", "weights in f32", bytes, available, advice);
    } catch (const earlyout::error& e) {
        CHECK(e.code() == earlyout::errc::out_of_memory);
        return e.what();
    }
    return {};
}

}  // namespace

TEST_CASE("what does not fit into memory is refused with what would", "[cli][memory]") {
    CHECK(refusal(3e10, 2'000'000'000, "--dtype int8 takes less") ==
          "model: weights in f32: expected 30.0 GB of free memory, found 2000.0 MB; --dtype int8 takes less");
    CHECK(refusal(101.0, 100, "") == "model: weights in f32: expected 0.1 kB of free memory, found 0.1 kB");
    CHECK(refusal(100.0, 100, "").empty());
    CHECK(refusal(1e18, std::nullopt, "").empty());  // nobody says how much there is
}

TEST_CASE("bytes are told in a unit that fits", "[cli][memory]") {
    CHECK(cli::megabytes(10'240.0) == "10.2 kB");
    CHECK(cli::megabytes(6'423'680.0) == "6.4 MB");
    CHECK(cli::megabytes(1.5e10) == "15.0 GB");
}
