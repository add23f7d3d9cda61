// SPDX-License-Identifier: MIT
#include <earlyout/nn/fill_matrix.hpp>

#include <earlyout/nn/linear.hpp>
#include <earlyout/weights/memory_checkpoint.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"

namespace eo = earlyout;
using eo::errc;
using eo::matrix_part;
using support::error_of;
using support::thrown;

namespace {

constexpr std::size_t in = 3;

/// Element [row, column] is 10 row + column, plus what the tensor adds.
std::vector<float> counted(std::size_t rows, float plus) {
    std::vector<float> made;
    for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t k = 0; k < in; ++k) made.push_back(plus + static_cast<float>(10 * row + k));
    }
    return made;
}
std::vector<float> transposed(const std::vector<float>& rows) {
    std::vector<float> made;
    for (std::size_t k = 0; k < in; ++k) {
        for (std::size_t row = 0; row < rows.size() / in; ++row) made.push_back(rows[row * in + k]);
    }
    return made;
}
template <class Linear>
std::vector<float> row_of(const Linear& layer, std::size_t row) {
    std::vector<float> made(in);
    layer.weight().copy_row(row, made.data());
    return made;
}
template <class Linear>
std::vector<std::string> names_of(const Linear& layer) {
    std::vector<std::string> made;
    layer.visit_matrices([&](std::span<const std::string> names, const eo::packed_weights& matrix) {
        made.assign(names.begin(), names.end());
        CHECK(matrix.out == layer.out());
    });
    return made;
}

/// A checkpoint whose matrices are packed.
class packed_checkpoint final : public eo::checkpoint {
public:
    packed_checkpoint(const eo::checkpoint& all, std::string name, eo::packed_weights matrix)
        : all_(all), name_(std::move(name)), matrix_(std::move(matrix)) {}
    std::string source() const override { return "packed"; }
    const eo::configuration& config() const override { return all_.config(); }
    const eo::tensor_view* find(std::string_view name) const override { return all_.find(name); }
    bool is_packed() const noexcept override { return true; }
    eo::packed_weights packed(std::string_view name) const override {
        return name == name_ ? matrix_ : checkpoint::packed(name);
    }

private:
    const eo::checkpoint& all_;
    std::string name_;
    eo::packed_weights matrix_;
};

eo::memory_checkpoint stored() {
    eo::memory_checkpoint made("stored");
    made.add("a", {4, in}, counted(4, 0.0f)).add("b", {2, in}, counted(2, 100.0f));
    made.add("a.t", {in, 4}, transposed(counted(4, 0.0f)));
    return made;
}

}  // namespace

TEST_CASE("a matrix is filled from rows of stored ones, in any order", "[nn][fill_matrix]") {
    const eo::memory_checkpoint from = stored();
    eo::linear<> layer(6, in);
    const std::vector<matrix_part> parts{{"b", 2, 0, 2, 4}, {"a", 4, 2, 2, 0}, {"a", 4, 0, 2, 2}};
    eo::fill_matrix(from, parts, layer);
    CHECK(row_of(layer, 0) == std::vector<float>{20, 21, 22});
    CHECK(row_of(layer, 3) == std::vector<float>{10, 11, 12});
    CHECK(row_of(layer, 5) == std::vector<float>{110, 111, 112});
    CHECK(names_of(layer) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a transpose fills the same rows", "[nn][fill_matrix]") {
    const eo::memory_checkpoint from = stored();
    eo::linear<> layer(6, in);
    const std::vector<matrix_part> parts{{"a.t", 4, 1, 3, 0}, {"a.t", 4, 0, 1, 5}};
    eo::fill_matrix(from, parts, layer, eo::matrix_layout::in_out);
    CHECK(row_of(layer, 0) == std::vector<float>{10, 11, 12});
    CHECK(row_of(layer, 2) == std::vector<float>{30, 31, 32});
    CHECK(row_of(layer, 3) == std::vector<float>(in, 0.0f));
    CHECK(row_of(layer, 5) == std::vector<float>{0, 1, 2});
}

TEST_CASE("a matrix in stored format gets the format of its tensors", "[nn][fill_matrix]") {
    const eo::memory_checkpoint from = stored();
    eo::linear<eo::any_format> layer(4, in, "layer", eo::any_format::as_stored());
    const std::vector<matrix_part> parts{{"a", 4, 0, 4, 0}};
    eo::fill_matrix(from, parts, layer);
    CHECK(layer.weight().format() == eo::any_format(eo::f32{}));
    CHECK(row_of(layer, 3) == std::vector<float>{30, 31, 32});
}

TEST_CASE("a packed matrix is used in place", "[nn][fill_matrix]") {
    const eo::memory_checkpoint from = stored();
    eo::linear<> filled(4, in), layer(4, in);
    const std::vector<matrix_part> parts{{"b", 2, 0, 2, 2}, {"a", 4, 0, 2, 0}};
    eo::fill_matrix(from, parts, filled);
    const packed_checkpoint at_hand(from, "a", filled.weight().share());
    eo::fill_matrix(at_hand, parts, layer);
    CHECK(layer.weight().share().memory == filled.weight().share().memory);
    CHECK(names_of(layer) == std::vector<std::string>{"a", "b"});
    const packed_checkpoint other(from, "b", filled.weight().share());
    CHECK(error_of([&] { eo::fill_matrix(other, parts, layer); }) == thrown(errc::missing_tensor, {"packed", "'a'"}));
    eo::linear<> larger(5, in);
    CHECK(error_of([&] { eo::fill_matrix(at_hand, parts, larger); }) == thrown(errc::wrong_shape, {"packed", "'a'"}));
}

TEST_CASE("tensors that do not fit are refused", "[nn][fill_matrix][errors]") {
    const eo::memory_checkpoint from = stored();
    eo::linear<> layer(4, in);
    const auto fill = [&](const matrix_part& part) {
        return error_of([&] { eo::fill_matrix(from, std::span(&part, 1), layer); });
    };
    CHECK(fill({"c", 4, 0, 4, 0}) == thrown(errc::missing_tensor, {"stored", "'c'", "[4, 3]"}));
    CHECK(fill({"a", 5, 0, 4, 0}) == thrown(errc::wrong_shape, {"stored", "'a'", "[5, 3]", "[4, 3]"}));
    CHECK(fill({"a", 4, 0, 3, 1}) == thrown(errc::invalid_argument, {"stored", "row 0"}));
    CHECK(fill({"a", 4, 0, 4, 0}).code == "none");
}
