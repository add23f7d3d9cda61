// SPDX-License-Identifier: MIT
// Whichever allocation fails, the library throws earlyout::error, and the program continues.
#include <earlyout/io/packed_writer.hpp>
#include <earlyout/models/any_model.hpp>

#include <filesystem>
#include <iterator>
#include <limits>
#include <new>
#include <string>

#include "support/catch.hpp"
#include "support/failing_new.hpp"
#include "support/golden.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;

TEST_CASE("a model that does not fit into memory is one error", "[io][errors]") {
    const support::temporary_folder folder;
    const auto source = support::golden_folder("llama_gqa");
    const std::filesystem::path packed = folder / "model.packed";
    const std::filesystem::path exits = EARLYOUT_EXAMPLE_MODEL "/exits.safetensors";
    const eo::any_format int8("int8"), stored = eo::any_format::as_stored();
    const auto check = [](auto action) { CHECK(support::without_each_allocation(action) == ""); };
    check([&] { (void)eo::io::load<eo::any_model>(source, int8, stored); });
    check([&] { eo::io::write_packed<eo::any_model>(packed, source, int8, stored); });
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);  // nothing half written
    for (const eo::io::file_access access : {eo::io::file_access::mapped, eo::io::file_access::copied}) {
        check([&] { (void)eo::io::load<eo::any_model>(packed, stored, stored, {.access = access}); });
    }
    check([&] { (void)eo::io::open_checkpoint(source); });
    check([&] { (void)eo::io::hugging_face_checkpoint(source); });
    check([&] { (void)eo::io::packed_checkpoint(packed); });
    check([&] { (void)eo::io::read_exits(exits); });
}

TEST_CASE("a matrix is unchanged when its allocation fails", "[io][kernels][errors]") {
    eo::packed_matrix<eo::any_format> matrix(64, 64, eo::any_format::as_stored());
    support::allocations_left = 0;
    CHECK_THROWS_AS(matrix.settle(eo::any_format("int8")), std::bad_alloc);
    support::allocations_left = std::numeric_limits<std::size_t>::max();
    CHECK_FALSE(matrix.settled());
    CHECK(matrix.bytes() == 0);
    matrix.settle(eo::any_format("int8"));
    CHECK(std::string(matrix.format_name()) == "int8");
}
