// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_HELP_HPP
#define EARLYOUT_EXAMPLES_CLI_HELP_HPP

#include <CLI/CLI.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// Returns the columns that help may take: COLUMNS, else the terminal's, 80 where there is none; 40 .. 110.
[[nodiscard]] std::size_t help_width();

/// Breaks a text into lines between words, and words longer than a line behind a comma where they have one.
/// @param width  of a line in characters, the indent included
/// @param indent of each line but the first
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);

/// The same for what stands in a column of its own: every line but the first begins behind `column` spaces.
[[nodiscard]] std::string wrapped_column(std::string_view text, std::size_t width, std::size_t column);

/// Help in lines that fit the terminal.
class help_formatter : public CLI::Formatter {
public:
    explicit help_formatter(std::size_t width);

    std::string make_usage(const CLI::App* app, std::string name) const override;
    std::string make_group(std::string group, bool is_positional,
                           std::vector<const CLI::Option*> options) const override;
    std::string make_option(const CLI::Option* option, bool is_positional) const override;
    std::string make_subcommand(const CLI::App* sub) const override;
    std::string make_description(const CLI::App* app) const override;
    std::string make_option_opts(const CLI::Option* option) const override;

private:
    [[nodiscard]] std::string entry(const std::string& name, const std::string& description) const;

    std::size_t width_;
};

}  // namespace cli

#endif
