// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_KERNELS_ANY_FORMAT_HPP
#define EARLYOUT_KERNELS_ANY_FORMAT_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/kernels/multiply.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>

namespace earlyout::inline EARLYOUT_ABI {

/// Weight format chosen at run time: `load<gpt2<any_format>>(folder, any_format("bf16"))`. Costs one switch per
/// product, and the compile time of every format.
class any_format {
public:
    any_format() = default;
    // NOLINTNEXTLINE(google-explicit-constructor): each format is one
    any_format(f32) noexcept {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    any_format(bf16) noexcept : chosen_(choice::bf16) {}
    /// @throws error (unsupported) for a name other than "f32" and "bf16"
    explicit any_format(std::string_view name) {
        if (name == f32::name) return;
        if (name != bf16::name) fail(errc::unsupported, "weight format: expected f32 or bf16, found '", name, "'");
        chosen_ = choice::bf16;
    }

    [[nodiscard]] bool is_bf16() const noexcept { return chosen_ == choice::bf16; }

private:
    enum class choice : std::uint8_t { f32, bf16 };
    choice chosen_ = choice::f32;
};

/// A packed matrix in the format it was made with.
template <>
class packed_matrix<any_format> {
public:
    packed_matrix() noexcept = default;
    packed_matrix(std::size_t out, std::size_t in, any_format format = {}) {
        if (format.is_bf16()) {
            held_.emplace<packed_matrix<bf16>>(out, in);
        } else {
            held_.emplace<packed_matrix<f32>>(out, in);
        }
    }

    /// body(the matrix in its own format)
    template <class Body>
    decltype(auto) visit(Body&& body) const noexcept {
        return std::visit(std::forward<Body>(body), held_);
    }

    [[nodiscard]] std::size_t out() const noexcept {
        return visit([](const auto& m) { return m.out(); });
    }
    [[nodiscard]] std::size_t in() const noexcept {
        return visit([](const auto& m) { return m.in(); });
    }
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
    void set_rows(std::size_t first_row, matrix_view<const float> source) noexcept {
        std::visit([&](auto& m) { m.set_rows(first_row, source); }, held_);
    }
    void set_rows_transposed(std::size_t first_row, matrix_view<const float> source) noexcept {
        std::visit([&](auto& m) { m.set_rows_transposed(first_row, source); }, held_);
    }
    void copy_row(std::size_t row, float* out) const noexcept {
        visit([&](const auto& m) { m.copy_row(row, out); });
    }

private:
    std::variant<packed_matrix<f32>, packed_matrix<bf16>> held_;
};

namespace kernels {

template <class Arch = default_arch, class Depth>
void multiply(const packed_matrix<any_format>& weights, matrix_view<const float> x, Depth depth, const float* bias,
              matrix_view<float> y, std::size_t first_panel, std::size_t last_panel, Arch arch = {}) noexcept {
    weights.visit([&](const auto& m) { multiply(m, x, depth, bias, y, first_panel, last_panel, arch); });
}

}  // namespace kernels
}  // namespace earlyout::inline EARLYOUT_ABI

#endif
