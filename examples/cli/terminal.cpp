// SPDX-License-Identifier: MIT
#include "terminal.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <unistd.h>

namespace cli {

namespace {

bool wants_colours(int file, std::string_view when) {
    if (when != "auto") return when == "always";
    const char* const refused = std::getenv("NO_COLOR");  // https://no-color.org
    return is_terminal(file) && (refused == nullptr || *refused == '\0');
}

/// Of the 256-colour palette, about equally bright, so that they read on black and on white.
constexpr std::array ramp{64, 28, 29, 30, 31, 32, 26, 62, 98};

int ramp_at(std::size_t exit_layer, std::size_t layers) {
    const std::size_t last = ramp.size() - 1;
    const std::size_t steps = std::max<std::size_t>(layers, 2) - 1;
    const std::size_t below = std::clamp<std::size_t>(exit_layer, 1, steps + 1) - 1;
    return ramp[(below * last + steps / 2) / steps];
}

std::string paint(std::string_view code, std::string_view text) {
    return std::string("\x1b[").append(code).append("m").append(text).append("\x1b[0m");
}

}  // namespace

std::array<int, 3> layer_colour(std::size_t exit_layer, std::size_t layers) {
    constexpr std::array levels{0, 95, 135, 175, 215, 255};  // of the palette's 6 x 6 x 6 cube, which begins at 16
    const auto at = static_cast<std::size_t>(ramp_at(exit_layer, layers) - 16);
    return {levels[at / 36], levels[at / 6 % 6], levels[at % 6]};
}

bool is_terminal(int file) noexcept { return isatty(file) != 0; }

palette::palette(int file, std::string_view when, std::size_t layers)
    : colours_(wants_colours(file, when)), layers_(layers) {}

std::string palette::layer(std::size_t exit_layer, std::string_view text, bool underlined) const {
    if (!colours_ || text.empty()) return std::string(text);
    return paint((underlined ? "4;38;5;" : "38;5;") + std::to_string(ramp_at(exit_layer, layers_)), text);
}

std::string palette::dim(std::string_view text) const { return colours_ ? paint("2", text) : std::string(text); }

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool control = (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f;
        out += control ? "\xef\xbf\xbd" : std::string(1, c);
    }
    return out;
}

}  // namespace cli
