// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_SVG_HPP
#define EARLYOUT_EXAMPLES_CLI_SVG_HPP

#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cli::svg {

/// Round numbers in [low, high], about `count` of them: steps of 1, 2 or 5 times a power of ten.
[[nodiscard]] std::vector<double> ticks(double low, double high, std::size_t count);

/// A quantity along one side of a chart.
struct axis {
    double low = 0.0;
    double high = 1.0;
    double at_low = 0.0;  ///< pixels
    double at_high = 1.0;
    std::string title;
    std::vector<double> ticks;
    std::function<std::string(double)> label;
    bool logarithmic = false;

    [[nodiscard]] double operator()(double value) const {
        const double share = logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
        return at_low + share * (at_high - at_low);
    }
};

/// Grid lines, tick labels and titles.
[[nodiscard]] std::string axes(const axis& x, const axis& y);

/// Where a text is put, as the text element has it.
struct box {
    double left, top, right, bottom;
    [[nodiscard]] bool overlaps(const box& other) const {
        return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
    }
};

/// Width of a text set in a sans serif of that size, on the safe side.
[[nodiscard]] double text_width(std::string_view text, double size);

[[nodiscard]] std::string text(double x, double y, std::string_view content, std::string_view style = {},
                               std::string_view anchor = "start");
[[nodiscard]] std::string line(double x1, double y1, double x2, double y2, std::string_view style);
[[nodiscard]] std::string rectangle(double x, double y, double width, double height, std::string_view style,
                                    std::string_view title = {});
[[nodiscard]] std::string polyline(const std::vector<std::pair<double, double>>& points, std::string_view style);
[[nodiscard]] std::string circle(double x, double y, double radius, std::string_view style,
                                 std::string_view title = {});

/// Shapes of marks, told apart without colour.
inline constexpr std::size_t marker_shapes = 13;

/// A mark of about equal area whatever its shape.
[[nodiscard]] std::string marker(std::size_t shape, double x, double y, std::string_view style,
                                 std::string_view title = {}, double size = 5.0);

/// The picture; `label` is what it is called where it cannot be seen.
[[nodiscard]] std::string picture(double width, double height, std::string_view label, std::string_view content,
                                  std::string_view style = {});

}  // namespace cli::svg

#endif
