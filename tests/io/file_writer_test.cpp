// SPDX-License-Identifier: MIT
#include <earlyout/io/file_writer.hpp>

#include <array>
#include <filesystem>
#include <future>
#include <iterator>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fs = std::filesystem;
using earlyout::errc;
using earlyout::io::file_writer;
using support::error_of;
using support::thrown;

namespace {

void put(const fs::path& path, std::string_view text) {
    file_writer file(path);
    file.write(text);
    file.finish();
}

auto entries(const support::temporary_folder& folder) {
    return std::distance(fs::directory_iterator(folder.path()), {});
}

}  // namespace

TEST_CASE("a file is written whole or not at all", "[io][file_writer]") {
    const support::temporary_folder folder;
    put(folder / "a", "first");
    {
        file_writer unfinished(folder / "a");
        unfinished.write(std::string_view("second"));
        CHECK(unfinished.bytes_written() == 6);
        CHECK(entries(folder) == 2);
    }
    CHECK(folder.read("a") == "first");
    {
        file_writer one(folder / "a"), other(folder / "a");  // two at a time do not share what they write
        one.write(std::string_view("one"));
        other.write(std::string_view("other"));
        other.finish();
        one.finish();
    }
    CHECK(folder.read("a") == "one");
    CHECK(entries(folder) == 1);
}

TEST_CASE("links are followed and kept", "[io][file_writer]") {
    const support::temporary_folder folder;
    folder.write("real", "old");
    fs::create_directory(folder / "below");
    fs::create_symlink("real", folder / "link");
    fs::create_symlink(folder / "link", folder / "below/link to a link");
    fs::create_symlink("not there yet", folder / "dangling");
    put(folder / "link", "new");
    CHECK(folder.read("real") == "new");
    put(folder / "below/link to a link", "newer");
    CHECK(folder.read("real") == "newer");
    put(folder / "dangling", "made");
    CHECK(folder.read("not there yet") == "made");
    for (const char* name : {"link", "below/link to a link", "dangling"}) CHECK(fs::is_symlink(folder / name));
    fs::create_symlink("round", folder / "round");
    CHECK(error_of([&] { put(folder / "round", "x"); }) ==
          thrown(errc::io, {"round", "cannot be written", "symbolic links"}));
}

TEST_CASE("pipes and devices are written to and kept", "[io][file_writer]") {
    const support::temporary_folder folder;
    const fs::path pipe = folder / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    auto read = std::async(std::launch::async, [&] { return folder.read("pipe"); });
    put(pipe, "through");
    CHECK(read.get() == "through");
    CHECK(fs::is_fifo(pipe));
    CHECK(error_of([&] { put(pipe, "x"); }) == thrown(errc::io, {"pipe", "no program reads"}));
    fs::create_symlink("/dev/null", folder / "null");
    put(folder / "null", "gone");
    CHECK(fs::is_symlink(folder / "null"));
    CHECK(fs::is_character_file("/dev/null"));
    CHECK(error_of([&] { put("/dev/full", "x"); }) == thrown(errc::io, {"/dev/full", "No space left"}));
    CHECK(entries(folder) == 2);
}

TEST_CASE("errors state why a file cannot be written", "[io][file_writer][errors]") {
    const support::temporary_folder folder;
    CHECK(error_of([&] { file_writer file(folder.path()); }) == thrown(errc::io, {"cannot be written", "a folder"}));
    CHECK(error_of([&] { file_writer file(folder / "no/such"); }) ==
          thrown(errc::io, {"no/such", "cannot be written", "No such file or directory"}));
    CHECK(entries(folder) == 0);
}

TEST_CASE("a program that ends on a signal removes unfinished files", "[io][file_writer]") {
    const support::temporary_folder folder;
    const pid_t child = ::fork();
    if (child == 0) {
        file_writer one(folder / "a"), other(folder / "b");
        one.write(std::string_view("begun"));
        earlyout::io::remove_partial_files();
        bool refused = false;
        try {
            one.finish();
        } catch (const earlyout::error&) {
            refused = true;
        }
        try {
            file_writer late(folder / "c");
        } catch (const earlyout::error&) {
            ::_exit(refused ? 0 : 1);
        }
        ::_exit(2);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(entries(folder) == 0);
}
