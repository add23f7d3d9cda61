// SPDX-License-Identifier: MIT
#include <earlyout/io/mapped_file.hpp>

#include <filesystem>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;

TEST_CASE("a file's bytes, mapped or copied", "[io][mapped_file]") {
    const support::temporary_folder folder;
    folder.write("a", "some text");
    folder.write("empty", "");
    for (const auto access : {eo::io::file_access::mapped, eo::io::file_access::copied}) {
        eo::io::mapped_file file(folder / "a", access);
        CHECK(file.text() == "some text");
        CHECK(file.bytes().size() == 9);
        CHECK(file.path() == (folder / "a").string());
        eo::io::mapped_file moved = std::move(file);
        CHECK(moved.text() == "some text");
        eo::io::mapped_file other(folder / "empty", access);
        CHECK(other.text().empty());
        other = std::move(moved);
        CHECK(other.text() == "some text");
    }
    const eo::io::mapped_file copy(folder / "a", eo::io::file_access::copied);
    std::filesystem::resize_file(folder / "a", 2);
    CHECK(copy.text() == "some text");
}

TEST_CASE("what is no file is refused", "[io][mapped_file]") {
    const support::temporary_folder folder;
    const auto opening = [](const std::filesystem::path& path) {
        return support::error_of([&] { (void)eo::io::mapped_file(path); });
    };
    CHECK(opening(folder / "nothing") == support::thrown(eo::errc::no_such_file, {"nothing", "cannot be opened"}));
    CHECK(opening(folder.path()) == support::thrown(eo::errc::no_such_file, {"expected a file", "a folder"}));
}
