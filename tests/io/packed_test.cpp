// SPDX-License-Identifier: MIT
// packed_checkpoint_test.cpp compares what packed files compute.
#include <earlyout/io/packed.hpp>

#include <earlyout/io/packed_writer.hpp>
#include <earlyout/models/gpt2.hpp>

#include <filesystem>
#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::thrown;

TEST_CASE("a packed file is loaded by the header of its format", "[io][packed][load]") {
    const support::temporary_folder folder;
    const std::string path = (folder / "m.packed").string();
    (void)eo::io::write_packed<eo::gpt2<eo::int8>>(path, EARLYOUT_EXAMPLE_MODEL, {}, {});
    const auto model = eo::io::load_packed<eo::gpt2<eo::int8>>(path);
    CHECK(model.source() == path);
    CHECK(model.has_tokenizer());
    CHECK(model.network().weight_format() == "int8");
    CHECK(error_of([&] { (void)eo::io::load_packed<eo::gpt2<>>(path); }) ==
          thrown(errc::mismatch, {path, "f32", "int8"}));
}

TEST_CASE("a network is written unchanged, from the checkpoint that it was read from", "[io][packed]") {
    const support::temporary_folder folder;
    const eo::io::hugging_face_checkpoint from(EARLYOUT_EXAMPLE_MODEL);
    const auto network = eo::gpt2<eo::int4>::from_checkpoint(from);
    (void)eo::io::write_packed(folder / "of-network", from, network);
    (void)eo::io::write_packed<eo::gpt2<eo::int4>>(folder / "of-model", EARLYOUT_EXAMPLE_MODEL, {}, {});
    CHECK(folder.read("of-network") == folder.read("of-model"));
    const eo::io::packed_checkpoint packed(folder / "of-model");
    CHECK(error_of([&] { (void)eo::io::write_packed(folder / "again", packed, network); }) ==
          thrown(errc::unsupported, {"of-model", "found a packed file"}));
    const eo::io::hugging_face_checkpoint other(EARLYOUT_TEST_DATA "/families/llama_tiny");
    CHECK(error_of([&] { (void)eo::io::write_packed(folder / "again", other, network); }) ==
          thrown(errc::mismatch, {"llama_tiny", "none of its tensors"}));
    CHECK_FALSE(std::filesystem::exists(folder / "again"));
}

TEST_CASE("a file in another format than packed is refused by name", "[io][packed][load][errors]") {
    const auto refused = [](const std::string& path) {
        return error_of([&] { (void)eo::io::load_packed<eo::gpt2<>>(path); });
    };
    CHECK(refused("no/such.packed") == thrown(errc::no_such_file, {"no/such.packed"}));
    CHECK(refused(EARLYOUT_EXAMPLE_MODEL "/model.safetensors") ==
          thrown(errc::unsupported, {"give the folder that holds it"}));
}
