// SPDX-License-Identifier: MIT
#include <earlyout/io/safetensors_writer.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace eo = earlyout;

TEST_CASE("tensors are written as a reader finds them, data aligned", "[io][safetensors_writer]") {
    const std::vector<float> a{1, 2, 3}, b{4};
    const std::vector<eo::tensor_view> views{{"a", eo::dtype::f32, {3}, std::as_bytes(std::span(a))},
                                             {"b", eo::dtype::f32, {1}, std::as_bytes(std::span(b))}};
    const std::string bytes = eo::io::safetensors_bytes(views, {{"key", "value"}});
    CHECK((bytes.size() - 16) % 64 == 0);  // all data begins at a multiple of 64
    const eo::io::safetensors read(std::as_bytes(std::span(bytes)), "bytes");
    CHECK(read.metadata().at("key") == "value");
    CHECK(read.tensors().size() == 2);
    const support::temporary_folder folder;
    CHECK(eo::io::write_safetensors(folder / "x.safetensors", views, {{"key", "value"}}) == bytes.size());
    CHECK(folder.read("x.safetensors") == bytes);
}

TEST_CASE("tensors that make no file are refused", "[io][safetensors_writer]") {
    const std::vector<float> a{1, 2, 3};
    const auto writing = [](const std::vector<eo::tensor_view>& views) {
        return support::error_of([&] { (void)eo::io::safetensors_bytes(views); });
    };
    const eo::tensor_view good{"a", eo::dtype::f32, {3}, std::as_bytes(std::span(a))};
    eo::tensor_view torn = good;
    torn.shape = {4};
    CHECK(writing({torn}).code == "wrong_shape");
    CHECK(writing({good, good}) == support::thrown(eo::errc::invalid_argument, {"a"}));
    eo::tensor_view odd = good;
    odd.name = "\xff";
    CHECK(writing({odd}).code == "invalid_argument");
}
