// SPDX-License-Identifier: MIT
#include <earlyout/io/load_cached.hpp>

#include <earlyout/models/any_model.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/golden.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;
namespace fs = std::filesystem;

namespace {

using cached_network = eo::any_model;
const eo::any_format as_int8("int8"), as_int4("int4");

auto load(const fs::path& model, const fs::path& cache, eo::any_format output = as_int8) {
    return eo::io::load_cached<cached_network>(model, as_int8, output, cache);
}
std::vector<std::string> packed_in(const fs::path& folder) {
    std::vector<std::string> made;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() == ".packed") made.push_back(entry.path().filename().string());
    }
    return made;
}
std::vector<std::byte> weights_of(const cached_network& n) {
    std::vector<std::byte> made;
    n.visit_matrices([&](std::span<const std::string>, const eo::packed_weights& matrix) {
        made.insert(made.end(), matrix.memory.get(), matrix.memory.get() + matrix.bytes);
    });
    return made;
}

}  // namespace

TEST_CASE("a model is kept packed until it changes", "[io][load_cached]") {
    const support::temporary_folder folder, other;
    folder.copy(support::golden_folder("llama_gqa"));
    const fs::path cache = other / "cache";
    const auto whole = eo::io::load<cached_network>(folder.path(), as_int8);
    CHECK(weights_of(load(folder.path(), cache).network()) == weights_of(whole.network()));
    const std::vector<std::string> first = packed_in(cache);
    REQUIRE(first.size() == 1);
    CHECK(cache / first[0] == eo::io::cached_path(folder.path(), cache, "int8"));

    // From now on it is read there.
    const auto written = fs::last_write_time(cache / first[0]);
    CHECK(weights_of(load(folder.path(), cache).network()) == weights_of(whole.network()));
    CHECK(fs::last_write_time(cache / first[0]) == written);
    CHECK(load(folder.path(), cache).source() == (cache / first[0]).string());

    // Other formats are other files; a damaged file is written anew.
    (void)load(folder.path(), cache, as_int4);
    CHECK(packed_in(cache).size() == 2);
    fs::resize_file(cache / first[0], 1000);
    CHECK(weights_of(load(folder.path(), cache).network()) == weights_of(whole.network()));
    CHECK(fs::file_size(cache / first[0]) > 1000);

    // A changed model is another, and the file of the old one goes.
    folder.write("config.json", folder.read("config.json") + " ");
    (void)load(folder.path(), cache);
    const std::vector<std::string> second = packed_in(cache);
    CHECK(second.size() == 2);
    CHECK_FALSE(fs::exists(cache / first[0]));

    // A model of the same name elsewhere is another, too.
    const support::temporary_folder elsewhere;
    for (const fs::path& place : {elsewhere / "a" / "m", elsewhere / "b" / "m"}) {
        fs::create_directories(place);
        fs::copy(folder.path(), place);
        (void)load(place, cache);
    }
    CHECK(packed_in(cache).size() == 4);

    // A packed file is its own.
    CHECK(
        load(cache / second[0], other.path(), second[0].find("+") == std::string::npos ? as_int8 : as_int4).source() ==
        (cache / second[0]).string());
    CHECK(packed_in(other.path()).empty());
    CHECK(support::error_of([&] { (void)load(folder.path(), cache / second[0]); }).code == "io");
}
