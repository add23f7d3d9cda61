// SPDX-License-Identifier: MIT
#include <earlyout/io/packed_writer.hpp>

#include <earlyout/io/load.hpp>
#include <earlyout/models/any_model.hpp>
#include <earlyout/models/gpt2.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;

TEST_CASE("a network that was read and one that is read for it give the same packed file", "[io][packed_writer]") {
    const support::temporary_folder folder;
    const auto from = eo::io::open_checkpoint(EARLYOUT_EXAMPLE_MODEL);
    const eo::any_format format("int8");
    const auto network = eo::any_model::from_checkpoint(*from, format, format);
    const std::size_t bytes = eo::io::write_packed(folder / "a", *from, network);
    CHECK(eo::io::write_packed<eo::any_model>(folder / "b", EARLYOUT_EXAMPLE_MODEL, format, format) == bytes);
    CHECK(folder.read("a").size() == bytes);
    CHECK(folder.read("a") == folder.read("b"));
    CHECK(support::error_of([&] {
              (void)eo::io::write_packed<eo::any_model>(folder / "c", folder / "a", format, format);
          }) == support::thrown(eo::errc::unsupported, {"found a packed file"}));
}
