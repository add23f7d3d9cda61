// SPDX-License-Identifier: MIT
#include <earlyout/models/llama.hpp>
#include <earlyout/models/transformer.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"

namespace eo = earlyout;

namespace {

struct not_an_architecture {
    static constexpr std::string_view model_type = "nothing";
};

}  // namespace

TEST_CASE("an architecture is distinguished from other types", "[models][network]") {
    STATIC_REQUIRE(eo::architecture<eo::llama_architecture>);
    STATIC_REQUIRE_FALSE(eo::architecture<not_an_architecture>);
    STATIC_REQUIRE_FALSE(eo::architecture<int>);
}

TEST_CASE("a token embedding keeps the element type of its file", "[models][network]") {
    const auto bytes_of = [](const char* name) {
        const eo::io::hugging_face_checkpoint from(support::golden_folder(name));
        return eo::llama<>::from_checkpoint(from).embedding_bytes();
    };
    CHECK(bytes_of("llama3_scaled") == 50 * 24 * 2);  // BF16, untied
    CHECK(bytes_of("llama_gqa") == 0);                // the output matrix
}

TEST_CASE("a decoder's parts can be released", "[models][network]") {
    auto made = eo::llama<>::from_checkpoint(support::editable_copy("llama_gqa"));
    const auto parts = std::move(made).release();
    CHECK(parts.blocks.size() == 3);
    CHECK(parts.tokens.empty());
    CHECK(parts.output.out() == 57);
}
