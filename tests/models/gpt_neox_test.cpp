// SPDX-License-Identifier: MIT
#include <earlyout/models/gpt_neox.hpp>

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

TEST_CASE("GPT-NeoX computes what PyTorch computes", "[models][gpt_neox]") {
    for (const std::string name : {"gpt_neox", "gpt_neox_sequential"}) {
        INFO(name);
        const auto model = eo::gpt_neox<>::from_checkpoint(editable_copy(name));
        CHECK(worst(model, golden(name), {6, 1, 4}, 8) < tolerance);
    }
}

TEST_CASE("the halves of GPT-NeoX's layers are parallel unless the file says otherwise", "[models][gpt_neox]") {
    auto from = editable_copy("gpt_neox");
    from.set("use_parallel_residual", nullptr);
    CHECK(worst(eo::gpt_neox<>::from_checkpoint(from), golden("gpt_neox"), {100}, 8) < tolerance);
    from.set("use_parallel_residual", false);
    CHECK(worst(eo::gpt_neox<>::from_checkpoint(from), golden("gpt_neox"), {100}, 8) > 0.01f);
}

TEST_CASE("both names of GPT-NeoX's rotary settings count, and must agree", "[models][gpt_neox][errors]") {
    auto from = editable_copy("gpt_neox_sequential");
    from.set("partial_rotary_factor", 0.75).set("rope_theta", 30000.0);
    CHECK(read_error<eo::gpt_neox<>>(from).code == "none");
    from.set("rotary_pct", nullptr).set("rotary_emb_base", nullptr);
    CHECK(worst(eo::gpt_neox<>::from_checkpoint(from), golden("gpt_neox_sequential"), {100}, 8) < tolerance);
    from.set("rotary_pct", 0.5);
    CHECK(read_error<eo::gpt_neox<>>(from) ==
          thrown(errc::unsupported, {"'partial_rotary_factor'", "'rotary_pct', 0.5", "found 0.75"}));
    from.set("rotary_pct", 0.75).set("rotary_emb_base", 10000.0);
    CHECK(read_error<eo::gpt_neox<>>(from) ==
          thrown(errc::unsupported, {"'rope_theta'", "'rotary_emb_base'", "30000"}));
}

TEST_CASE("GPT-NeoX refuses sizes that the tensors do not have", "[models][gpt_neox][errors]") {
    const auto with = [](const char* key, const eo::memory_checkpoint::value& v) {
        return read_error<eo::gpt_neox<>>(editable_copy("gpt_neox").set(key, v));
    };
    CHECK(with("intermediate_size", std::int64_t{64}) == thrown(errc::wrong_shape, {"dense_h_to_4h.weight"}));
    CHECK(with("vocab_size", std::int64_t{64}) == thrown(errc::wrong_shape, {"embed_in.weight"}));
    CHECK(with("use_parallel_residual", std::int64_t{-1}) == thrown(errc::malformed_file, {"'use_parallel_residual'"}));
    CHECK(with("num_hidden_layers", std::int64_t{3}) == thrown(errc::missing_tensor, {"layers.2."}));
}
