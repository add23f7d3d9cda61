// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ANY_FORMAT_HPP
#define EARLYOUT_KERNELS_ANY_FORMAT_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/kernels/multiply_groups.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Weight format chosen at run time: `load<gpt2<any_format>>(folder, any_format("int8"))`. Costs one switch per
/// product, and the compile time of every format.
class any_format {
public:
    /// f32
    any_format() = default;
    template <class Format>
        requires std::is_constructible_v<std::variant<f32, bf16, f16, int8, int4>, Format>
    // NOLINTNEXTLINE(google-explicit-constructor): each format is one
    any_format(Format format) noexcept : chosen_(format) {}
    /// Returns the format that stores each matrix as its checkpoint does, or the nearest to that: see stored_rows.hpp.
    [[nodiscard]] static any_format as_stored() noexcept {
        any_format made;
        made.as_stored_ = true;
        return made;
    }
    /// @param name "f32", "bf16", "f16", "int8", "int4" or "stored"
    /// @throws error (unsupported) for any other
    explicit any_format(std::string_view name) : any_format(find(name)) {}

    [[nodiscard]] const char* name() const noexcept {
        return as_stored_ ? "stored" : std::visit([](auto format) { return decltype(format)::name; }, chosen_);
    }
    [[nodiscard]] bool is_as_stored() const noexcept { return as_stored_; }
    /// Calls body(the format's tag).
    template <class Body>
    decltype(auto) visit(Body&& body) const {
        return std::visit(std::forward<Body>(body), chosen_);
    }
    friend bool operator==(const any_format& a, const any_format& b) noexcept {
        return a.as_stored_ == b.as_stored_ && a.chosen_.index() == b.chosen_.index();
    }

private:
    static any_format find(std::string_view name) {
        const any_format all[] = {f32{}, bf16{}, f16{}, int8{}, int4{}, as_stored()};
        for (const any_format format : all) {
            if (name == format.name()) return format;
        }
        std::string known;
        for (const any_format format : all) known.append(known.empty() ? "" : ", ").append(format.name());
        fail(errc::unsupported, "weight format: expected one of ", known, "; found '", name, "'");
    }

    std::variant<f32, bf16, f16, int8, int4> chosen_;
    bool as_stored_ = false;
};

/// A packed matrix in the format it was made with or, if made `as_stored`, in the one that it is given when it is
/// filled.
template <>
class packed_matrix<any_format> {
public:
    packed_matrix() noexcept = default;
    packed_matrix(std::size_t out, std::size_t in, any_format format = {}, weight_arena* arena = nullptr)
        : out_(out), in_(in), arena_(arena), settled_(false) {
        if (!format.is_as_stored()) settle(format);
    }

    /// Sets the format if there is none yet: before any row is set, while the arena exists.
    void settle(any_format format) {
        if (settled_) return;
        // Built first and then moved in, so that an exception leaves the matrix unchanged.
        format.visit([&](auto tag) { held_ = packed_matrix<decltype(tag)>(out_, in_, tag, arena_); });
        settled_ = true;
        arena_ = nullptr;
    }
    [[nodiscard]] bool settled() const noexcept { return settled_; }

    /// Calls body(the matrix in its own format).
    template <class Body>
    decltype(auto) visit(Body&& body) const {
        return std::visit(std::forward<Body>(body), held_);
    }

    /// Calls body(the matrix in its own format) to fill it.
    template <class Body>
    decltype(auto) visit(Body&& body) {
        return std::visit(std::forward<Body>(body), held_);
    }

    [[nodiscard]] std::size_t out() const noexcept { return out_; }
    [[nodiscard]] std::size_t in() const noexcept { return in_; }
    [[nodiscard]] std::size_t panels() const noexcept {
        return visit([](const auto& m) { return m.panels(); });
    }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return visit([](const auto& m) { return m.bytes(); });
    }
    [[nodiscard]] std::size_t panel_bytes(std::size_t panels) const noexcept {
        return visit([&](const auto& m) { return m.panel_bytes(panels); });
    }
    [[nodiscard]] const char* format_name() const noexcept {
        return visit([](const auto& m) { return m.format_name(); });
    }
    /// Without a format yet, it becomes f32; the same holds below.
    void set_rows(std::size_t first_row, matrix_view<const float> source) {
        settle(f32{});
        visit([&](auto& m) { m.set_rows(first_row, source); });
    }
    void set_rows_transposed(std::size_t first_row, matrix_view<const float> source) {
        settle(f32{});
        visit([&](auto& m) { m.set_rows_transposed(first_row, source); });
    }
    /// @param from in the same format
    void gather(const packed_matrix& from, std::span<const token_id> rows, std::size_t first_panel,
                std::size_t last_panel) noexcept {
        std::visit(
            [&]<class Held>(packed_matrix<Held>& m) {
                m.gather(std::get<packed_matrix<Held>>(from.held_), rows, first_panel, last_panel);
            },
            held_);
    }
    [[nodiscard]] std::size_t gather_bytes(std::size_t rows) const noexcept {
        return visit([&](const auto& m) { return m.gather_bytes(rows); });
    }
    /// Returns the format it was made with.
    [[nodiscard]] any_format format() const noexcept {
        return visit([]<class Held>(const packed_matrix<Held>&) { return any_format(Held{}); });
    }
    void copy_row(std::size_t row, float* out) const noexcept {
        visit([&](const auto& m) { m.copy_row(row, out); });
    }
    [[nodiscard]] packed_weights share() const {
        return std::visit([](const auto& m) { return m.share(); }, held_);
    }
    /// Adopts the format of the attached weights if there is none yet.
    void adopt(const packed_weights& from) {
        if (settled_) return visit([&](auto& m) { m.adopt(from); });
        weight_arena nothing = weight_arena::without_memory();
        packed_matrix made(out_, in_, any_format(from.format), &nothing);
        made.visit([&](auto& m) { m.adopt(from); });
        *this = std::move(made);
    }

private:
    std::size_t out_ = 0;
    std::size_t in_ = 0;
    weight_arena* arena_ = nullptr;
    bool settled_ = true;
    std::variant<packed_matrix<f32>, packed_matrix<bf16>, packed_matrix<f16>, packed_matrix<int8>, packed_matrix<int4>>
        held_;
};

namespace kernels {

/// Calls body(format, weights) with the format's own tag and matrix: the dispatch of a product.
template <class Format, class Body>
EARLYOUT_ALWAYS_INLINE void with_format(const packed_matrix<Format>& weights, Body&& body) {
    if constexpr (std::is_same_v<Format, any_format>) {
        weights.visit([&]<class Held>(const packed_matrix<Held>& m) { body(Held{}, m); });
    } else {
        body(Format{}, weights);
    }
}

}  // namespace kernels
}}  // namespace earlyout::EARLYOUT_ABI

#endif
