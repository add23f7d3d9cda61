// SPDX-License-Identifier: MIT
#include <earlyout/core/platform/posix.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"

namespace eo = earlyout;
namespace platform = eo::platform;

namespace {

using type = platform::file_facts::type;

/// A folder of the test's own, removed with what is in it.
struct test_folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("earlyout_platform_" + std::to_string(platform::process_id()));
    test_folder() { std::filesystem::create_directories(path); }
    ~test_folder() { std::filesystem::remove_all(path); }
    test_folder(const test_folder&) = delete;
    test_folder& operator=(const test_folder&) = delete;
    [[nodiscard]] std::string operator/(const char* name) const { return (path / name).string(); }
};

}  // namespace

TEST_CASE("a path as text is the path's own memory", "[core][platform]") {
    const std::filesystem::path path = "/a/\xC3\xA9";
    const std::string_view text = platform::path_text(path);
    CHECK(text == "/a/\xC3\xA9");
    CHECK(text.data() == path.c_str());
}

TEST_CASE("reserved pages are zeros and aligned", "[core][platform]") {
    constexpr std::size_t align = std::size_t{1} << 21;
    auto* const memory = static_cast<std::byte*>(platform::reserve_pages(2 * align, align));
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % align == 0);
    CHECK(memory[0] == std::byte{0});
    CHECK(memory[2 * align - 1] == std::byte{0});
    std::memset(memory, 1, 2 * align);
    platform::release_pages(memory, 2 * align);
    CHECK_THROWS_AS(platform::reserve_pages(std::size_t{1} << 60, align), std::bad_alloc);
}

TEST_CASE("kinds of files at a path", "[core][platform]") {
    const test_folder folder;
    CHECK(platform::look_at((folder / "nothing").c_str()).is == type::nothing);
    CHECK(platform::look_at(folder.path.c_str()).is == type::folder);
    CHECK(platform::look_at("/dev/null").is == type::other);
}

TEST_CASE("a file is made, written, read, mapped, renamed and removed", "[core][platform]") {
    const test_folder folder;
    const std::string path = folder / "file", other = folder / "other";
    platform::file out = platform::file::create(path.c_str());
    REQUIRE(out.is_open());
    CHECK(out.write("abcdef", 6) == 6);
    CHECK(out.close() == 0);
    CHECK(!out.is_open());
    CHECK(out.close() == 0);

    CHECK(!platform::file::create(path.c_str()).is_open());  // it is there
    CHECK(errno == EEXIST);
    CHECK(platform::look_at(path.c_str()).is == type::regular);
    CHECK(platform::look_at(path.c_str()).bytes == 6);

    platform::file in = platform::file::to_read(path.c_str());
    CHECK(in.facts().is == type::regular);
    CHECK(in.facts().bytes == 6);
    char read[8] = {};
    CHECK(in.read(read, 4) == 4);
    CHECK(in.read(read + 4, 4) == 2);
    CHECK(in.read(read, 4) == 0);
    CHECK(std::string_view(read) == "abcdef");
    const void* const mapped = in.map(6);
    REQUIRE(mapped != nullptr);
    platform::file moved = std::move(in);
    CHECK(moved.is_open());
    CHECK(moved.close() == 0);
    CHECK(std::memcmp(mapped, "abcdef", 6) == 0);  // it outlives the open file
    platform::unmap(mapped, 6);

    CHECK(platform::rename_file(path.c_str(), other.c_str()) == 0);
    CHECK(platform::rename_file(path.c_str(), other.c_str()) == ENOENT);
    platform::remove_file(other.c_str());
    CHECK(platform::look_at(other.c_str()).is == type::nothing);
}

TEST_CASE("functions that fail report it and leave the reason", "[core][platform]") {
    const test_folder folder;
    platform::file none = platform::file::to_read((folder / "nothing").c_str());
    CHECK(!none.is_open());
    CHECK(errno == ENOENT);
    char byte = 0;
    CHECK(none.read(&byte, 1) < 0);
    CHECK(none.write(&byte, 1) < 0);
    CHECK(none.map(1) == nullptr);
    CHECK(none.facts().is == type::nothing);
    CHECK(!platform::file::to_write(folder.path.c_str(), false).is_open());
    CHECK(errno == EISDIR);
}
