// SPDX-License-Identifier: MIT
#include <earlyout/generate/model.hpp>

#include <string>

#include "generate/fixtures.hpp"
#include "support/catch.hpp"

using namespace support;

namespace {

/// Holds a network and knows its origin.
struct named {
    const eo::gpt2<>& network() const { return small_network(); }
    std::string source() const { return "file"; }
};

static_assert(eo::model<eo::gpt2<>> && eo::model<named> && !eo::model<int> && !eo::model<std::string>);
static_assert(!eo::text_model<eo::gpt2<>> && !eo::text_model<named>);
static_assert(eo::network<eo::gpt2<>> && !eo::network<named>);

}  // namespace

TEST_CASE("a model is a network or holds one", "[generate][model]") {
    CHECK(&eo::network_of(small_network()) == &small_network());
    CHECK(&eo::network_of(named{}) == &small_network());
    CHECK(eo::source_of(named{}) == "file: ");
    CHECK(eo::source_of(small_network()).empty());
    CHECK(eo::tokens_before_text(named{}).empty());
    CHECK(eo::end_of_text_of(named{}).empty());
}
