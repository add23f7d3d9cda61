// SPDX-License-Identifier: MIT
#include <earlyout/weights/checkpoint_record.hpp>

#include "support/catch.hpp"

using record = earlyout::checkpoint_record;

TEST_CASE("a record lists what was read, in order, without consecutive duplicates", "[weights][checkpoint_record]") {
    record made;
    CHECK(made.entries().empty());
    made.add("size", record::kind::integer);
    made.add("w", record::kind::tensor);
    made.add("w", record::kind::tensor);
    made.add("w", record::kind::text);
    made.add("size", record::kind::real);
    REQUIRE(made.entries().size() == 4);
    CHECK(made.entries()[0].name == "size");
    CHECK(made.entries()[1].read_as == record::kind::tensor);
    CHECK(made.entries()[2].read_as == record::kind::text);
    CHECK(made.entries()[3].read_as == record::kind::real);
}
