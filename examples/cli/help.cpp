// SPDX-License-Identifier: MIT
#include "help.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace cli {

std::size_t help_width() {
    std::size_t columns = 80;
    const char* const given = std::getenv("COLUMNS");
    const std::string_view text = given == nullptr ? "" : given;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), columns);
    if (problem != std::errc{} || end != text.data() + text.size()) {
        winsize window{};
        columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col != 0 ? window.ws_col : 80;
    }
    return std::clamp<std::size_t>(columns, 40, 110);
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
    std::string out;
    std::size_t column = 0, room = std::max<std::size_t>(width, 1);
    const auto put = [&](std::string_view piece, bool spaced) {
        if (column != 0 && column + (spaced ? 1 : 0) + piece.size() > room) {
            out.append(1, '\n').append(indent, ' ');
            column = 0;
            room = width > indent ? width - indent : 1;
        } else if (column != 0 && spaced) {
            out += ' ';
            ++column;
        }
        out += piece;
        column += piece.size();
    };
    while (!text.empty()) {
        const std::size_t space = std::min(text.find(' '), text.size());
        std::string_view word = text.substr(0, space);
        text.remove_prefix(std::min(space + 1, text.size()));
        bool spaced = true;
        while (word.size() > width - std::min(width, indent)) {
            const std::size_t comma = word.find(',');
            if (comma == word.npos || comma + 1 == word.size()) break;
            put(word.substr(0, comma + 1), spaced);
            word.remove_prefix(comma + 1);
            spaced = false;
        }
        if (!word.empty()) put(word, spaced);
    }
    return out;
}

std::string wrapped_column(std::string_view text, std::size_t width, std::size_t column) {
    std::string lines = wrapped(text, width - std::min(width, column), 0);
    for (std::size_t at = lines.find('\n'); at != lines.npos; at = lines.find('\n', at + 1 + column)) {
        lines.insert(at + 1, column, ' ');
    }
    return lines;
}

help_formatter::help_formatter(std::size_t width) : width_(width) { column_width(width < 100 ? 26 : 32); }

/// A name too long for its column has lines of its own.
std::string help_formatter::entry(const std::string& name, const std::string& description) const {
    const std::size_t column = std::min(get_column_width(), width_ / 3);
    std::string out = "  " + wrapped(name, width_ - 2, 6);
    if (description.empty()) return out + '\n';
    out.append(out.size() + 1 < column ? std::string(column - out.size(), ' ') : '\n' + std::string(column, ' '));
    return out + wrapped_column(description, width_, column) + '\n';
}

// CLI11 parts groups by one blank line more than it takes.
std::string help_formatter::make_usage(const CLI::App* app, std::string name) const {
    return CLI::Formatter::make_usage(app, std::move(name)) + '\n';
}

std::string help_formatter::make_group(std::string group, bool is_positional,
                                       std::vector<const CLI::Option*> options) const {
    return CLI::Formatter::make_group(std::move(group), is_positional, std::move(options)).substr(1);
}

std::string help_formatter::make_option(const CLI::Option* option, bool is_positional) const {
    return entry(make_option_name(option, is_positional) + make_option_opts(option), make_option_desc(option));
}

std::string help_formatter::make_subcommand(const CLI::App* sub) const {
    return entry(sub->get_name(), sub->get_description());
}

std::string help_formatter::make_description(const CLI::App* app) const {
    return wrapped(app->get_description(), width_, 0) + "\n\n";
}

std::string help_formatter::make_option_opts(const CLI::Option* option) const {
    std::string text;
    if (option->get_type_size() == 0) return text;  // a flag
    // "FORMAT:{f32,bf16}", "N:INT in [1 - 1000]": values in place of the name, a range behind it says too much.
    const std::string type = option->get_type_name();
    const std::size_t colon = type.find(':');
    const bool lists = colon != type.npos && type.substr(colon + 1).starts_with('{');
    if (!type.empty()) text += ' ' + (lists ? type.substr(colon + 1) : type.substr(0, colon));
    if (!option->get_default_str().empty()) text += '=' + option->get_default_str();
    if (option->get_required()) text += " (required)";
    return text;
}

}  // namespace cli
