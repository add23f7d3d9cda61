// SPDX-License-Identifier: MIT
#include <earlyout/weights/checkpoint_record.hpp>

#include <string>

#include "support/catch.hpp"

TEST_CASE("a record keeps the last value of a key, and each name once", "[weights][checkpoint_record]") {
    earlyout::checkpoint_record record;
    CHECK(record.config.values().empty());
    record.config.set("size", std::int64_t{1});
    record.config.set("size", 2.5);
    record.tensors.emplace("w");
    record.tensors.emplace(std::string("w"));
    CHECK(record.config.values().size() == 1);
    CHECK(record.config.real("size") == 2.5);
    CHECK(record.tensors.size() == 1);
}
