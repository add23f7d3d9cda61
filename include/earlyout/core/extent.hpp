// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_EXTENT_HPP
#define EARLYOUT_CORE_EXTENT_HPP

#include <earlyout/core/error.hpp>

#include <cstddef>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Marks a size that is known at run time only.
inline constexpr std::size_t dynamic = 0;

/// A size that is either a constant of the type (Value > 0) or held at run time (Value == dynamic). Code written
/// against it serves both.
template <std::size_t Value = dynamic>
class extent {
public:
    static constexpr bool is_static = true;

    constexpr extent() noexcept = default;
    /// @throws error (wrong_shape) when the run-time size is not the compiled one
    constexpr explicit extent(std::size_t value, std::string_view what = "size") {
        if (value != Value) fail(errc::wrong_shape, what, ": compiled for ", Value, ", found ", value);
    }

    // NOLINTNEXTLINE(google-explicit-constructor): used as a number
    constexpr operator std::size_t() const noexcept { return Value; }
};

template <>
class extent<dynamic> {
public:
    static constexpr bool is_static = false;

    constexpr extent() noexcept = default;
    constexpr explicit extent(std::size_t value, std::string_view = {}) noexcept : value_(value) {}

    // NOLINTNEXTLINE(google-explicit-constructor): used as a number
    constexpr operator std::size_t() const noexcept { return value_; }

private:
    std::size_t value_ = 0;
};

/// Returns the smallest multiple of `step` that is at least `value`.
[[nodiscard]] constexpr std::size_t round_up(std::size_t value, std::size_t step) noexcept {
    return (value + step - 1) / step * step;
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
