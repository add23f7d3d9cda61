// SPDX-License-Identifier: MIT
#include "progress.hpp"

#include "terminal.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>

#include <unistd.h>

namespace cli {

progress_line::progress_line(bool shown) : shown_(shown && is_terminal(STDERR_FILENO)) {}
progress_line::~progress_line() { clear(); }

void progress_line::operator()(const std::string& text) {
    if (shown_) std::cerr << "\r\033[K" << text << std::flush;
}
void progress_line::clear() {
    if (shown_) std::cerr << "\r\033[K" << std::flush;
}

std::function<void(std::string_view, std::size_t, std::size_t)> timed_progress(progress_line& line) {
    using clock = std::chrono::steady_clock;
    return [&line, stage = std::string(), begun = clock::now()](std::string_view what, std::size_t done,
                                                                std::size_t all) mutable {
        if (stage != what) {
            stage = what;
            begun = clock::now();
        }
        const std::chrono::duration<double> passed = clock::now() - begun;
        line(all == 0 ? stage : bar(stage, done, all, passed.count()));
    };
}

std::function<void(std::size_t, std::size_t)> loading_progress(progress_line& line) {
    using clock = std::chrono::steady_clock;
    return [&line, begun = clock::now()](std::size_t done, std::size_t all) {
        const std::chrono::duration<double> passed = clock::now() - begun;
        if (passed.count() > 0.5) line(bar("loading", done, all, passed.count()));
    };
}

std::string bar(const std::string& what, std::size_t done, std::size_t all, double seconds) {
    constexpr std::size_t width = 24;
    const double share = all == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(all));
    const auto full = static_cast<std::size_t>(share * width);
    std::string text = what + " [" + std::string(full, '#') + std::string(width - full, ' ') + "] " +
                       std::to_string(static_cast<int>(100.0 * share)) + " %";
    if (share > 0.0 && seconds > 1.0) {
        text += ", " + std::to_string(std::lround(seconds / share - seconds)) + " s left";
    }
    return text;
}

}  // namespace cli
