// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ANY_FORMAT_HPP
#define EARLYOUT_KERNELS_ANY_FORMAT_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/kernels/multiply_groups.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

namespace detail {

/// A variant of the formats, or of their matrices.
template <class List>
struct one_of;
template <class... Formats>
struct one_of<format_list<Formats...>> {
    using tag = std::variant<f32, bf16, f16, Formats...>;
    using matrix = std::variant<packed_matrix<f32>, packed_matrix<bf16>, packed_matrix<f16>, packed_matrix<Formats>...>;
};
using any_tag = one_of<group_formats>::tag;
using any_matrix = one_of<group_formats>::matrix;

}  // namespace detail

/// Weight format chosen at run time: `load<gpt2<any_format>>(folder, any_format("int8"))`. Costs one switch per
/// product, and the compile time of every format.
class any_format {
public:
    /// f32
    any_format() = default;
    template <class Format>
        requires std::is_constructible_v<detail::any_tag, Format>
    // NOLINTNEXTLINE(google-explicit-constructor): each format is one
    any_format(Format format) noexcept : chosen_(format) {}
    /// Returns the format that stores each matrix as its checkpoint does: see stored_rows.hpp.
    [[nodiscard]] static any_format as_stored() noexcept {
        any_format made;
        made.as_stored_ = true;
        return made;
    }
    /// @param name "f32", "int8", "q4_k", ... or "stored"
    /// @throws error (unsupported) for any other
    explicit any_format(std::string_view name) : any_format(find(name)) {}

    /// Returns all of them, "stored" last.
    [[nodiscard]] static std::vector<any_format> all() {
        std::vector<any_format> made{f32{}, bf16{}, f16{}};
        add(group_formats{}, made);
        made.push_back(as_stored());
        return made;
    }

    [[nodiscard]] const char* name() const noexcept {
        return as_stored_ ? "stored" : std::visit([](auto format) { return decltype(format)::name; }, chosen_);
    }
    [[nodiscard]] bool is_as_stored() const noexcept { return as_stored_; }
    /// Calls body(the format's tag).
    template <class Body>
    decltype(auto) visit(Body&& body) const {
        return std::visit(std::forward<Body>(body), chosen_);
    }
    /// Returns the format for rows of `in` weights: this one or, where a row is not whole blocks, the one that
    /// llama.cpp takes in its place, with blocks of 32.
    [[nodiscard]] any_format for_rows_of(std::size_t in) const noexcept {
        return visit([&]<class Format>(Format) -> any_format {
            if constexpr (group_format<Format>) {
                if (in % Format::layout.values == 0 || Format::layout.values == group_size) return *this;
                switch (Format::stored) {
                    case dtype::q4_k: return q5_0{};
                    case dtype::q5_k: return q5_1{};
                    case dtype::q6_k: return int8{};
                    default: return iq4_nl{};
                }
            }
            return *this;
        });
    }
    friend bool operator==(const any_format& a, const any_format& b) noexcept {
        return a.as_stored_ == b.as_stored_ && a.chosen_.index() == b.chosen_.index();
    }

private:
    template <class... Formats>
    static void add(format_list<Formats...>, std::vector<any_format>& to) {
        (to.push_back(Formats{}), ...);
    }
    static any_format find(std::string_view name) {
        std::string known;
        for (const any_format format : all()) {
            if (name == format.name()) return format;
            known.append(known.empty() ? "" : ", ").append(format.name());
        }
        fail(errc::unsupported, "weight format: expected one of ", known, "; found '", detail::printable(name), "'");
    }

    detail::any_tag chosen_;
    bool as_stored_ = false;
};

/// A packed matrix in a format that is chosen at run time or, if made `as_stored`, when it is filled. Then ranges of
/// rows that begin a panel may have different formats.
/// A template, although it stands for one type: programs with another format then compile none of its functions.
template <std::same_as<any_format> Format>
class packed_matrix<Format> {
public:
    packed_matrix() noexcept = default;
    packed_matrix(std::size_t out, std::size_t in, any_format format = {}, weight_arena* arena = nullptr)
        : out_(out), in_(in), arena_(arena) {
        if (!format.is_as_stored()) settle(format);
    }

    /// Sets the format if there is none yet: before any row is set, while the arena exists.
    void settle(any_format format) {
        const std::pair<std::size_t, any_format> all{0, format};
        settle(std::span(&all, 1));
    }
    /// Sets the formats of row ranges, each given with its first row: the first 0, all multiples of 32, ascending.
    void settle(std::span<const std::pair<std::size_t, any_format>> ranges) {
        if (settled()) return;
        std::vector<segment> made;  // moved in at the end, so that an exception leaves the matrix unchanged
        for (std::size_t i = 0; i < ranges.size(); ++i) {
            const std::size_t end = i + 1 < ranges.size() ? ranges[i + 1].first : out_;
            made.push_back({ranges[i].first, make(end - ranges[i].first, ranges[i].second, arena_)});
        }
        segments_ = std::move(made);
        find_groups();
        arena_ = nullptr;
    }
    [[nodiscard]] bool settled() const noexcept { return !segments_.empty(); }
    /// Returns true if rows are in a group format, whose products read rounded activations.
    [[nodiscard]] bool has_groups() const noexcept { return has_groups_; }
    /// Calls visit(index, the rows' weights) for each range of rows with a format of its own.
    template <class Visit>
    void share(Visit visit) const {
        for (std::size_t i = 0; i < segments_.size(); ++i) {
            visit(i, std::visit([](const auto& m) { return m.share(); }, segments_[i].held));
        }
    }
    /// Calls body(first row, the matrix in its own format) for each range of rows with a format of its own.
    template <class Body>
    void for_each(Body body) const {
        for (const segment& s : segments_) {
            std::visit([&](const auto& m) { body(s.first_row, m); }, s.held);
        }
    }
    /// Calls body(the matrix that holds a row in its own format, to fill it; the row in that matrix).
    template <class Body>
    decltype(auto) at_row(std::size_t row, Body body) {
        segment& s = segments_[index_of(row)];
        return std::visit([&](auto& m) { return body(m, row - s.first_row); }, s.held);
    }

    [[nodiscard]] std::size_t out() const noexcept { return out_; }
    [[nodiscard]] std::size_t in() const noexcept { return in_; }
    [[nodiscard]] std::size_t panels() const noexcept { return (out_ + kernels::panel_rows - 1) / kernels::panel_rows; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_from(0); }
    /// Returns the bytes of the panels from `first_panel` on.
    [[nodiscard]] std::size_t bytes_from(std::size_t first_panel) const noexcept {
        std::size_t sum = 0;
        for_each([&](std::size_t row, const auto& m) {
            const std::size_t skipped = first_panel - std::min(first_panel, row / kernels::panel_rows);
            if (skipped < m.panels()) sum += m.bytes_from(skipped);
        });
        return sum;
    }
    /// Returns the format's name; where rows have several, that of row 0.
    [[nodiscard]] const char* format_name() const noexcept { return format().name(); }
    /// Without a format yet, it becomes f32; the same holds below.
    void set_rows(std::size_t first_row, matrix_view<const float> source) {
        settle(f32{});
        at_row(first_row, [&](auto& m, std::size_t row) { m.set_rows(row, source); });
    }
    void set_rows_transposed(std::size_t first_row, matrix_view<const float> source) {
        settle(f32{});
        at_row(first_row, [&](auto& m, std::size_t row) { m.set_rows_transposed(row, source); });
    }
    /// @param from in one format, the same
    void gather(const packed_matrix& from, std::span<const token_id> rows, std::size_t first_panel,
                std::size_t last_panel) noexcept {
        std::visit(
            [&]<class Held>(packed_matrix<Held>& m) {
                m.gather(*std::get_if<packed_matrix<Held>>(&from.segments_.front().held), rows, first_panel,
                         last_panel);
            },
            segments_.front().held);
    }
    [[nodiscard]] std::size_t gather_bytes(std::size_t rows) const noexcept {
        return std::visit([&](const auto& m) { return m.gather_bytes(rows); }, segments_.front().held);
    }
    /// Returns the format of row 0.
    [[nodiscard]] any_format format() const noexcept {
        if (!settled()) return {};
        return std::visit([]<class Held>(const packed_matrix<Held>&) { return any_format(Held{}); },
                          segments_.front().held);
    }
    void copy_row(std::size_t row, float* out) const noexcept {
        const segment& s = segments_[index_of(row)];
        std::visit([&](const auto& m) { m.copy_row(row - s.first_row, out); }, s.held);
    }
    /// Attaches packed weights to all rows or, without a format yet, to the rows from `first_row` on: a multiple of 32,
    /// ascending from call to call.
    void adopt(const packed_weights& from, std::size_t first_row = 0) {
        if (first_row == 0 && settled()) {
            std::visit([&](auto& m) { m.adopt(from); }, segments_.front().held);
            return;
        }
        weight_arena nothing = weight_arena::without_memory();
        if (from.in != in_ || from.out > out_ - first_row) {
            fail(errc::wrong_shape, "packed weights: expected at most [", out_ - first_row, ", ", in_, "], found [",
                 from.out, ", ", from.in, "]");
        }
        detail::any_matrix made = make(from.out, any_format(from.format), &nothing);
        std::visit([&](auto& m) { m.adopt(from); }, made);
        segments_.push_back({first_row, std::move(made)});
        find_groups();
    }

private:
    /// Rows from `first_row` on, up to the next segment.
    struct segment {
        std::size_t first_row = 0;
        detail::any_matrix held;
    };

    [[nodiscard]] detail::any_matrix make(std::size_t rows, any_format format, weight_arena* arena) const {
        return format.for_rows_of(in_).visit(
            [&](auto tag) -> detail::any_matrix { return packed_matrix<decltype(tag)>(rows, in_, tag, arena); });
    }
    void find_groups() noexcept {
        for_each([&]<class Held>(std::size_t, const packed_matrix<Held>&) {
            if constexpr (group_format<Held>) has_groups_ = true;
        });
    }
    [[nodiscard]] std::size_t index_of(std::size_t row) const noexcept {
        std::size_t i = segments_.size() - 1;
        while (segments_[i].first_row > row) --i;
        return i;
    }

    std::size_t out_ = 0;
    std::size_t in_ = 0;
    weight_arena* arena_ = nullptr;
    bool has_groups_ = false;
    std::vector<segment> segments_;
};

namespace kernels {

/// Activations in the forms that the formats of a matrix read.
struct any_inputs {
    matrix_view<const float> exact;
    quantized_view rounded;  ///< if one of them is a group format
};

/// The same as for a format that is known: see prepare().
template <std::same_as<any_format> Format, class ForRows>
[[nodiscard]] any_inputs prepare(const packed_matrix<Format>& weights, matrix_view<const float> x,
                                 quantized_rows& scratch, ForRows for_rows) {
    return {x, weights.has_groups() ? round_rows(x, scratch, for_rows) : quantized_view{}};
}

/// The same as for a format that is known, over the ranges of rows that have one: see multiply().
template <std::same_as<any_format> Format>
void multiply(const packed_matrix<Format>& weights, const any_inputs& x, extent<> depth, const float* bias,
              matrix_view<float> y, std::size_t first_panel, std::size_t last_panel, default_arch arch = {},
              std::size_t first_column = 0) noexcept {
    weights.for_each([&]<class Held>(std::size_t row, const packed_matrix<Held>& held) {
        const std::size_t skipped = row / panel_rows, end = std::min(last_panel, skipped + held.panels());
        const std::size_t begin = std::max(first_panel, skipped);
        if (begin >= end) return;
        const float* const own_bias = bias == nullptr ? nullptr : bias + row;
        // y's columns begin with row first_column of the whole matrix.
        const std::size_t before = std::min(row, first_column);
        const matrix_view<float> own = y.cols(row - before, y.cols() - (row - before));
        if constexpr (group_format<Held>) {
            multiply(held, x.rounded, depth, own_bias, own, begin - skipped, end - skipped, arch,
                     first_column - before);
        } else {
            multiply(held, x.exact, depth, own_bias, own, begin - skipped, end - skipped, arch, first_column - before);
        }
    });
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
