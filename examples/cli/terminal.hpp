// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_TERMINAL_HPP
#define EARLYOUT_EXAMPLES_CLI_TERMINAL_HPP

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace cli {

/// Colours for what is written to one stream; none where it is not a terminal or NO_COLOR is set.
class palette {
public:
    /// @param file     STDOUT_FILENO or STDERR_FILENO
    /// @param when     "auto", "always" or "never"
    /// @param layers   of the model
    palette(int file, std::string_view when, std::size_t layers);

    [[nodiscard]] bool colours() const noexcept { return colours_; }
    /// The text in its exit layer's colour, from green (early) over blue to violet (the last layer).
    /// @param underlined for a token that was drafted
    [[nodiscard]] std::string layer(std::size_t exit_layer, std::string_view text, bool underlined = false) const;
    /// The text as a side remark.
    [[nodiscard]] std::string dim(std::string_view text) const;

private:
    bool colours_;
    std::size_t layers_;
};

/// The colour of an exit layer as red, green and blue, 0 .. 255: about what palette::layer asks a terminal for.
[[nodiscard]] std::array<int, 3> layer_colour(std::size_t exit_layer, std::size_t layers);

[[nodiscard]] bool is_terminal(int file) noexcept;

/// What a model wrote must not move the cursor: control characters other than line ends and tabs become
/// a visible mark.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace cli

#endif
