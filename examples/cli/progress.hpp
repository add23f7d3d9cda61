// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_PROGRESS_HPP
#define EARLYOUT_EXAMPLES_CLI_PROGRESS_HPP

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace cli {

/// One line on standard error that is written over; nothing where that is not a terminal.
class progress_line {
public:
    explicit progress_line(bool shown);
    ~progress_line();
    progress_line(const progress_line&) = delete;
    progress_line& operator=(const progress_line&) = delete;

    void operator()(const std::string& text);
    void clear();

private:
    bool shown_;
};

/// Returns what a calibrate::monitor reports to: the line, with a bar and the seconds left where a share is known.
[[nodiscard]] std::function<void(std::string_view, std::size_t, std::size_t)> timed_progress(progress_line& line);

/// Returns what io::load_options::progress calls: the line, once loading has taken half a second.
[[nodiscard]] std::function<void(std::size_t, std::size_t)> loading_progress(progress_line& line);

/// "reading [#####     ] 50 %, 12 s left"
/// @param seconds passed so far
[[nodiscard]] std::string bar(const std::string& what, std::size_t done, std::size_t all, double seconds);

}  // namespace cli

#endif
