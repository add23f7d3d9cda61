// SPDX-License-Identifier: MIT
#include <earlyout/weights/configuration.hpp>

#include <earlyout/weights/memory_checkpoint.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;

TEST_CASE("a configuration gives values by key and type", "[weights][configuration]") {
    eo::memory_checkpoint made("made");
    made.set("n_layer", std::int64_t{3}).set("eps", 0.5).set("tied", true).set("kind", std::string("gpt2"));
    const eo::configuration& config = made.config();
    CHECK(config.integer("n_layer") == 3);
    CHECK(config.real("eps") == 0.5);
    CHECK(config.boolean("tied") == true);
    CHECK(config.text("kind") == "gpt2");
    CHECK_FALSE(config.integer("absent"));
    CHECK_FALSE(config.is_null("n_layer"));
    CHECK_FALSE(config.members("n_layer"));
    CHECK(support::error_of([&] { (void)config.integer("kind"); }) ==
          support::thrown(eo::errc::malformed_file, {"made", "kind"}));
}
