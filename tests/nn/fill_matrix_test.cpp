// SPDX-License-Identifier: MIT
#include <earlyout/nn/fill_matrix.hpp>

#include <earlyout/core/thread_pool.hpp>
#include <earlyout/nn/linear.hpp>
#include <earlyout/weights/memory_checkpoint.hpp>

#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"

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
using matrices_by_name = std::map<std::string, eo::packed_weights, std::less<>>;

class packed_checkpoint final : public eo::checkpoint {
public:
    packed_checkpoint(const eo::checkpoint& all, matrices_by_name matrices)
        : all_(all), matrices_(std::move(matrices)) {}
    std::string source() const override { return "packed"; }
    const eo::configuration& config() const override { return all_.config(); }
    const eo::tensor_view* find(std::string_view name) const override { return all_.find(name); }
    bool is_packed() const noexcept override { return true; }
    eo::packed_weights packed(std::string_view name) const override {
        const auto found = matrices_.find(name);
        return found == matrices_.end() ? checkpoint::packed(name) : found->second;
    }

private:
    const eo::checkpoint& all_;
    matrices_by_name matrices_;
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

TEST_CASE("threads fill a matrix with the same bits, and what they read is counted", "[nn][fill_matrix]") {
    constexpr std::size_t cols = 2048, rows = 700;
    support::random_source random(3);
    eo::memory_checkpoint from("stored");
    from.add("a", {rows, cols}, random.floats(rows * cols)).add("b", {100, cols}, random.floats(100 * cols));
    const std::vector<matrix_part> parts{{"a", rows, 0, rows, 0}, {"b", 100, 10, 50, rows}};
    const auto fill = [&](auto format) {
        eo::linear<decltype(format)> layer(rows + 50, cols);
        eo::fill_matrix(from, parts, layer);
        const eo::packed_weights held = layer.weight().share();
        return std::vector<std::byte>(held.memory.get(), held.memory.get() + held.bytes);
    };
    const auto floats = fill(eo::f32{}), codes = fill(eo::int8{}), halves = fill(eo::bf16{});
    std::vector<std::size_t> seen;
    eo::thread_pool pool(3);
    eo::reading how{.on = &pool,
                    .progress = [&](std::size_t done, std::size_t) { seen.push_back(done); },
                    .total = (rows + 100) * cols * sizeof(float)};
    from.read_with(&how);
    CHECK(&from.on() == &pool);
    CHECK(fill(eo::f32{}) == floats);
    CHECK(seen == std::vector{rows * cols * sizeof(float), (rows + 50) * cols * sizeof(float)});
    CHECK(fill(eo::int8{}) == codes);
    CHECK(fill(eo::bf16{}) == halves);
    CHECK(how.done == how.total);  // no more than there is

    std::vector<float> damaged = random.floats(rows * cols);
    damaged[5 * cols + 1] = damaged[600 * cols] = std::numeric_limits<float>::infinity();
    from.add("a", {rows, cols}, damaged);
    CHECK(error_of([&] { (void)fill(eo::f32{}); }) ==
          thrown(errc::wrong_value, {"'a'", "element " + std::to_string(5 * cols + 1)}));
    how.progress = [](std::size_t, std::size_t) { throw 1; };
    CHECK_THROWS_AS(fill(eo::q5_0{}), eo::error);
    from.add("a", {rows, cols}, random.floats(rows * cols));
    CHECK_THROWS_AS(fill(eo::q5_0{}), int);
    from.read_with(nullptr);
    CHECK(from.on().concurrency() == 1);
}

TEST_CASE("a packed matrix is used in place", "[nn][fill_matrix]") {
    const eo::memory_checkpoint from = stored();
    eo::linear<> filled(4, in), layer(4, in);
    const std::vector<matrix_part> parts{{"b", 2, 0, 2, 2}, {"a", 4, 0, 2, 0}};
    eo::fill_matrix(from, parts, filled);
    const packed_checkpoint at_hand(from, {{"a", filled.weight().share()}});
    eo::fill_matrix(at_hand, parts, layer);
    CHECK(layer.weight().share().memory == filled.weight().share().memory);
    CHECK(names_of(layer) == std::vector<std::string>{"a", "b"});
    const packed_checkpoint other(from, {{"b", filled.weight().share()}});
    CHECK(error_of([&] { eo::fill_matrix(other, parts, layer); }) == thrown(errc::missing_tensor, {"packed", "'a'"}));
    eo::linear<> larger(5, in);
    CHECK(error_of([&] { eo::fill_matrix(at_hand, parts, larger); }) == thrown(errc::wrong_shape, {"packed", "'a'"}));
}

TEST_CASE("packed matrices of a layer's rows leave no gap and do not overlap", "[nn][fill_matrix][errors]") {
    eo::memory_checkpoint from("stored");
    from.add("q", {64, in}, counted(64, 0.0f)).add("v", {32, in}, counted(32, 9.0f));
    const std::vector<matrix_part> parts{{"q", 64, 0, 64, 0}, {"v", 32, 0, 32, 64}};
    // Row ranges of the sizes given, each of zeros.
    const auto filling = [&](std::size_t q_rows, std::size_t v_rows) {
        const eo::packed_matrix<eo::f16> q(q_rows, in);
        const eo::packed_matrix<eo::bf16> v(v_rows, in);
        const packed_checkpoint packed(from, {{"q", q.share()}, {"v", v.share()}});
        eo::linear<eo::any_format> layer(96, in, "layer", eo::any_format::as_stored());
        return error_of([&] { eo::fill_matrix(packed, parts, layer); });
    };
    CHECK(filling(64, 32).code == "none");
    CHECK(filling(96, 32).code == "none");  // all in one
    CHECK(filling(32, 32) == thrown(errc::wrong_shape, {"packed", "'q'", "rows up to 64", "found 32"}));
    CHECK(filling(0, 32) == thrown(errc::wrong_shape, {"rows up to 64", "found 0"}));
    CHECK(filling(60, 32) == thrown(errc::wrong_shape, {"rows up to 64", "found 60"}));
    CHECK(filling(70, 32) == thrown(errc::wrong_shape, {"96", "70"}));
    CHECK(filling(64, 64) == thrown(errc::wrong_shape, {"at most [32, 3]", "[64, 3]"}));
    CHECK(filling(64, 16) == thrown(errc::wrong_shape, {"96 rows", "found 80"}));
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
