// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_MATRIX_VIEW_HPP
#define EARLYOUT_CORE_MATRIX_VIEW_HPP

#include <earlyout/core/config.hpp>

#include <cstddef>
#include <span>
#include <type_traits>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// A non-owning view of the rows of a row-major matrix; consecutive rows start `stride` elements apart.
template <class T>
class matrix_view {
public:
    constexpr matrix_view() noexcept = default;
    constexpr matrix_view(T* data, std::size_t rows, std::size_t cols, std::size_t stride) noexcept
        : data_(data), rows_(rows), cols_(cols), stride_(stride) {}
    constexpr matrix_view(T* data, std::size_t rows, std::size_t cols) noexcept : matrix_view(data, rows, cols, cols) {}

    /// A view of mutable elements is also a view of constant ones.
    template <class U>
        requires std::is_same_v<const U, T>
    // NOLINTNEXTLINE(google-explicit-constructor)
    constexpr matrix_view(matrix_view<U> other) noexcept
        : matrix_view(other.data(), other.rows(), other.cols(), other.stride()) {}

    [[nodiscard]] constexpr T* data() const noexcept { return data_; }
    [[nodiscard]] constexpr std::size_t rows() const noexcept { return rows_; }
    [[nodiscard]] constexpr std::size_t cols() const noexcept { return cols_; }
    [[nodiscard]] constexpr std::size_t stride() const noexcept { return stride_; }
    [[nodiscard]] constexpr T* row(std::size_t index) const noexcept { return data_ + index * stride_; }
    [[nodiscard]] constexpr std::span<T> operator[](std::size_t index) const noexcept { return {row(index), cols_}; }

    /// Returns rows first .. first + count - 1.
    [[nodiscard]] constexpr matrix_view rows(std::size_t first, std::size_t count) const noexcept {
        return {row(first), count, cols_, stride_};
    }
    /// Returns columns first .. first + count - 1 of every row.
    [[nodiscard]] constexpr matrix_view cols(std::size_t first, std::size_t count) const noexcept {
        return {data_ + first, rows_, count, stride_};
    }

private:
    T* data_ = nullptr;
    std::size_t rows_ = 0;
    std::size_t cols_ = 0;
    std::size_t stride_ = 0;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
