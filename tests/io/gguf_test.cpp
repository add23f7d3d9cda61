// SPDX-License-Identifier: MIT
// load_test.cpp compares what GGUF files compute.
#include <earlyout/io/gguf.hpp>
#include <earlyout/models/llama.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::errc;
using support::error_of;
using support::thrown;

TEST_CASE("a gguf file is read by the header of its format", "[io][gguf][load]") {
    const std::string path = EARLYOUT_TEST_DATA "/../fuzz/corpus/gguf/llama";
    CHECK(error_of([&] { (void)eo::io::load_gguf<eo::llama<>>(path); }) ==
          thrown(errc::missing_tensor, {path, "o_proj.weight"}));
}

TEST_CASE("a file in another format than GGUF is refused by name", "[io][gguf][load][errors]") {
    const auto refused = [](const std::string& path) {
        return error_of([&] { (void)eo::io::load_gguf<eo::llama<>>(path); });
    };
    CHECK(refused("no/such.gguf") == thrown(errc::no_such_file, {"no/such.gguf"}));
    CHECK(refused(EARLYOUT_EXAMPLE_MODEL "/config.json") ==
          thrown(errc::unsupported, {"config.json", "a part of one"}));
    CHECK(refused(EARLYOUT_EXAMPLE_MODEL "/model.safetensors") == thrown(errc::malformed_file, {"a safetensors file"}));
}
