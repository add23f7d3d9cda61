// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_MONITOR_HPP
#define EARLYOUT_CALIBRATE_MONITOR_HPP

#include <earlyout/calibrate/workers.hpp>
#include <earlyout/core/config.hpp>

#include <cstddef>
#include <functional>
#include <stop_token>
#include <string_view>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

class kept_results;

/// Progress reports and cancellation of a long calculation, who shares it and what is kept of it.
struct monitor {
    /// Cancels it: functions then return nothing, or what they have so far; each documents which.
    std::stop_token cancel{};
    /// Called with a description of the work and how much of it is done; `all` is 0 where the total is unknown. May be
    /// empty.
    std::function<void(std::string_view what, std::size_t done, std::size_t all)> progress{};
    /// Processes that share the work over texts, each with the same arguments; nullptr: this one does all. They must
    /// not be cancelled one by one: end them together.
    workers* among = nullptr;
    /// Where results of finished parts are kept, and those of an earlier run found; nullptr: nowhere.
    kept_results* kept = nullptr;

    [[nodiscard]] bool is_cancelled() const noexcept { return cancel.stop_requested(); }
    void report(std::string_view what, std::size_t done = 0, std::size_t all = 0) const {
        if (progress) progress(what, done, all);
    }
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
