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
    // With one, the same weights give other results once the text is longer.
    eo::memory_checkpoint from = editable_copy("mistral_no_window");
    from.set("sliding_window", std::int64_t{3});
    CHECK(worst(eo::mistral<>::from_checkpoint(from), without, {1000}, 8) > 0.01f);
    from.set("sliding_window", std::int64_t{100000});
    CHECK(worst(eo::mistral<>::from_checkpoint(from), without, {1000}, 8) < tolerance);
}

TEST_CASE("absent keys of a Mistral configuration have Hugging Face's defaults", "[models][mistral]") {
    eo::memory_checkpoint from;
    for (const char* key : {"num_hidden_layers", "vocab_size", "max_position_embeddings", "intermediate_size"}) {
        from.set(key, std::int64_t{2});
    }
    from.set("num_attention_heads", std::int64_t{16}).set("hidden_size", std::int64_t{64});
    const eo::detail::checkpoint_reader reader(from, "model.");
    CHECK(eo::mistral_architecture::window(reader, 1) == 4096);
    CHECK(eo::mistral_architecture::shape(reader).kv_heads == 8);
    CHECK(eo::mistral_architecture::shape(reader).head_dim == 4);
    from.set("sliding_window", nullptr).set("num_key_value_heads", nullptr);
    CHECK(eo::mistral_architecture::window(reader, 1) == 0);
    CHECK(eo::mistral_architecture::shape(reader).kv_heads == 16);
    from.set("sliding_window", std::int64_t{7}).set("num_key_value_heads", std::int64_t{4});
    CHECK(eo::mistral_architecture::window(reader, 1) == 7);
    CHECK(eo::mistral_architecture::shape(reader).kv_heads == 4);
}

TEST_CASE("Mistral refuses a meaningless window", "[models][mistral][errors]") {
    CHECK(read_error<eo::mistral<>>(editable_copy("mistral_window").set("sliding_window", std::int64_t{0})) ==
          thrown(errc::wrong_value, {"'sliding_window'", "positive"}));
    CHECK(read_error<eo::mistral<>>(editable_copy("mistral_window").set("sliding_window", std::string("4096"))).code ==
          "malformed_file");
}
