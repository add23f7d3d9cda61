// SPDX-License-Identifier: MIT
#include <earlyout/io/stored_checkpoint.hpp>

#include <earlyout/io/hugging_face_checkpoint.hpp>

#include <memory>
#include <string>

#include "support/catch.hpp"

namespace eo = earlyout;

TEST_CASE("a stored checkpoint names its place, its exact format and its fingerprint", "[io][stored_checkpoint]") {
    const eo::io::hugging_face_checkpoint opened(EARLYOUT_EXAMPLE_MODEL);
    const eo::io::stored_checkpoint& stored = opened;
    CHECK(stored.path() == EARLYOUT_EXAMPLE_MODEL);
    CHECK(stored.source() == EARLYOUT_EXAMPLE_MODEL);
    CHECK(stored.lossless_format() == "bf16");
    CHECK(stored.fingerprint() == "c3fa4b1b599cf867");
    std::string last;
    std::size_t count = 0;
    stored.for_each_tensor([&](const eo::tensor_view& tensor) {
        CHECK(last < tensor.name);
        last = tensor.name;
        ++count;
    });
    CHECK(count > 20);
}
