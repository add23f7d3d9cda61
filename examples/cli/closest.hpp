// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_EXAMPLES_CLI_CLOSEST_HPP
#define EARLYOUT_EXAMPLES_CLI_CLOSEST_HPP

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// Returns how many characters must be inserted, removed, replaced or swapped with their neighbour to make `a` `b`.
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before_last, last, row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        before_last = last;
        last = row;
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
    }
    return row[b.size()];
}

/// Returns the name that a mistyped word may have meant: at most a third of it is wrong, or it is the only one that
/// begins so. Empty: none.
[[nodiscard]] inline std::string closest(std::string_view word, const std::vector<std::string>& names) {
    const std::string* best = nullptr;
    std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const std::string& name : names) {
        const std::size_t distance = edit_distance(word, name);
        if (distance < least) {
            least = distance;
            best = &name;
        }
    }
    if (best == nullptr && word.size() > 2) {
        const auto begins = [&](const std::string& name) { return name.starts_with(word); };
        const auto found = std::ranges::find_if(names, begins);
        if (found != names.end() && std::find_if(found + 1, names.end(), begins) == names.end()) best = &*found;
    }
    return best != nullptr ? *best : std::string();
}

/// Returns "; did you mean NAME?", or nothing where no name is close.
[[nodiscard]] inline std::string did_you_mean(std::string_view word, const std::vector<std::string>& names) {
    const std::string name = closest(word, names);
    return name.empty() || name == word ? std::string() : "; did you mean " + name + "?";
}

}  // namespace cli

#endif
