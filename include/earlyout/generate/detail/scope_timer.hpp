// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_SCOPE_TIMER_HPP
#define EARLYOUT_GENERATE_DETAIL_SCOPE_TIMER_HPP

#include <earlyout/core/config.hpp>

#include <chrono>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// Adds the duration of its scope to a number of seconds.
class scope_timer {
public:
    explicit scope_timer(double& seconds) noexcept : seconds_(&seconds), begun_(clock::now()) {}
    scope_timer(const scope_timer&) = delete;
    scope_timer& operator=(const scope_timer&) = delete;
    ~scope_timer() { *seconds_ += std::chrono::duration<double>(clock::now() - begun_).count(); }

private:
    using clock = std::chrono::steady_clock;
    double* seconds_;
    clock::time_point begun_;
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
