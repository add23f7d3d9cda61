// SPDX-License-Identifier: MIT
#include "svg.hpp"

#include "html.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cli::svg {

namespace {

/// Pixels to a tenth.
std::string px(double value) {
    std::string text = std::to_string(std::lround(value * 10.0));
    const bool negative = text.front() == '-';
    if (negative) text.erase(0, 1);
    if (text.size() == 1) text.insert(0, "0");
    const char tenth = text.back();
    text.pop_back();
    if (tenth != '0') text.append(".").append(1, tenth);
    return text == "0" ? text : (negative ? "-" : "") + text;
}

std::string titled(std::string_view title) {
    return title.empty() ? std::string() : element("title", {}, escape(title));
}

/// Corners on circles around the middle, from the top on.
std::string star(double x, double y, std::size_t corners, double radius, double inner, double turned) {
    std::string points;
    for (std::size_t i = 0; i < corners; ++i) {
        const double angle = 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(corners) + turned;
        const double r = i % 2 == 0 ? radius : inner;
        points += (i == 0 ? "" : " ") + px(x + r * std::sin(angle)) + "," + px(y - r * std::cos(angle));
    }
    return points;
}

}  // namespace

std::vector<double> ticks(double low, double high, std::size_t count) {
    const double rough = (high - low) / static_cast<double>(std::max<std::size_t>(1, count));
    if (!(rough > 0.0)) return {low};
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    const double digit = rough / power;
    const double step = power * (digit < 1.5 ? 1.0 : digit < 3.5 ? 2.0 : digit < 7.5 ? 5.0 : 10.0);
    std::vector<double> found;
    const double slack = step * 1e-6;
    for (double i = std::ceil((low - slack) / step); i * step <= high + slack; i += 1.0) found.push_back(i * step);
    return found;
}

std::string axes(const axis& x, const axis& y) {
    std::string out;
    for (const double tick : y.ticks) {
        out += line(x.at_low, y(tick), x.at_high, y(tick), "grid");
        out += text(x.at_low - 7, y(tick) + 4, y.label(tick), "tick", "end");
    }
    for (const double tick : x.ticks) {
        out += line(x(tick), y.at_low, x(tick), y.at_low + 5, "axis");
        out += text(x(tick), y.at_low + 18, x.label(tick), "tick", "middle");
    }
    out += line(x.at_low, y.at_low, x.at_high, y.at_low, "axis");
    if (!x.title.empty()) out += text((x.at_low + x.at_high) / 2, y.at_low + 36, x.title, "unit", "middle");
    if (!y.title.empty()) out += text(0, y.at_high - 12, y.title, "unit");
    return out;
}

double text_width(std::string_view content, double size) {
    const auto letters = std::ranges::count_if(
        content, [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; });  // not bytes
    return 0.58 * size * static_cast<double>(letters);
}

std::string text(double x, double y, std::string_view content, std::string_view style, std::string_view anchor) {
    return element("text",
                   {{"x", px(x)}, {"y", px(y)}, {"class", std::string(style)}, {"text-anchor", std::string(anchor)}},
                   escape(content));
}

std::string line(double x1, double y1, double x2, double y2, std::string_view style) {
    return element("line",
                   {{"x1", px(x1)}, {"y1", px(y1)}, {"x2", px(x2)}, {"y2", px(y2)}, {"class", std::string(style)}});
}

std::string rectangle(double x, double y, double width, double height, std::string_view style, std::string_view title) {
    return element("rect",
                   {{"x", px(x)},
                    {"y", px(y)},
                    {"width", px(std::max(0.0, width))},
                    {"height", px(std::max(0.0, height))},
                    {"class", std::string(style)}},
                   titled(title));
}

std::string polyline(const std::vector<std::pair<double, double>>& points, std::string_view style) {
    std::string at;
    for (const auto& [x, y] : points) at += (at.empty() ? "" : " ") + px(x) + "," + px(y);
    return element("polyline", {{"points", at}, {"class", std::string(style)}});
}

std::string circle(double x, double y, double radius, std::string_view style, std::string_view title) {
    return element("circle", {{"cx", px(x)}, {"cy", px(y)}, {"r", px(radius)}, {"class", std::string(style)}},
                   titled(title));
}

std::string marker(std::size_t shape, double x, double y, std::string_view style, std::string_view title, double size) {
    const double pi = std::numbers::pi;
    std::string points;
    switch (shape % marker_shapes) {
        case 0: return circle(x, y, size, style, title);
        case 1: points = star(x, y, 4, 1.25 * size, 1.25 * size, pi / 4); break;         // square
        case 2: points = star(x, y + 0.2 * size, 3, 1.4 * size, 1.4 * size, 0); break;   // triangle
        case 3: points = star(x, y, 4, 1.35 * size, 1.35 * size, 0); break;              // diamond
        case 4: points = star(x, y - 0.2 * size, 3, 1.4 * size, 1.4 * size, pi); break;  // triangle, down
        case 5: points = star(x, y, 8, 1.5 * size, 0.55 * size, pi / 4); break;          // cross
        case 6: points = star(x, y, 10, 1.55 * size, 0.75 * size, 0); break;             // star
        case 7: points = star(x, y, 6, 1.2 * size, 1.2 * size, 0); break;                // hexagon
        case 8: points = star(x, y, 5, 1.25 * size, 1.25 * size, 0); break;              // pentagon
        case 9: points = star(x, y, 8, 1.6 * size, 0.6 * size, 0); break;                // star of four
        case 10: points = star(x, y, 12, 1.5 * size, 0.9 * size, 0); break;              // star of six
        case 11: points = star(x, y, 6, 1.6 * size, 0.55 * size, 0); break;              // star of three
        default: points = star(x, y, 6, 1.6 * size, 0.55 * size, pi); break;             // the same, down
    }
    return element("polygon", {{"points", points}, {"class", std::string(style)}}, titled(title));
}

std::string picture(double width, double height, std::string_view label, std::string_view content,
                    std::string_view style) {
    return element("svg",
                   {{"viewBox", "0 0 " + px(width) + " " + px(height)},
                    {"role", "img"},
                    {"aria-label", std::string(label)},
                    {"class", std::string(style)}},
                   content);
}

}  // namespace cli::svg
