// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_GENERATE_DETAIL_WAITING_JOBS_HPP
#define EARLYOUT_GENERATE_DETAIL_WAITING_JOBS_HPP

#include <earlyout/generate/completion.hpp>
#include <earlyout/generate/events.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace detail {

/// A completion that waits for a sequence.
template <class Job>
struct waiting_job {
    std::uint64_t number = 0;
    Job of;
    std::chrono::steady_clock::time_point submitted;
};

/// Completions that wait for a sequence, in the order in which they came.
template <class Job>
class waiting_jobs {
public:
    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }
    void push(Job wanted) { waiting_.push_back({++submitted_, std::move(wanted), std::chrono::steady_clock::now()}); }
    /// Ends those that were cancelled while they waited.
    void end_cancelled() {
        std::erase_if(waiting_, [](waiting_job<Job>& w) {
            if (!w.of.options.cancel.stop_requested()) return false;
            completion none;
            none.finish_reason = finish_reason::cancelled;
            if (w.of.on_end) w.of.on_end(none);
            return true;
        });
    }
    /// Starts completions until there is no sequence or memory for the next one.
    /// @param start makes a waiting job run and returns the sequence's slot, null if there is none for it now
    /// @throws what `start` throws for a job that has no on_error; it waits no longer
    template <class Start>
    void admit(Start start) {
        while (!waiting_.empty()) {
            waiting_job<Job>& next = waiting_.front();
            auto on_start = std::exchange(next.of.on_start, nullptr);
            auto on_error = std::exchange(next.of.on_error, nullptr);
            decltype(start(next)) in = nullptr;
            try {
                in = start(next);
            } catch (...) {
                waiting_.pop_front();
                if (!on_error) throw;
                on_error(std::current_exception());
                continue;
            }
            (in != nullptr ? in->of : next.of).on_error = std::move(on_error);
            if (in == nullptr) {
                next.of.on_start = std::move(on_start);
                return;
            }
            waiting_.pop_front();
            if (on_start) on_start();
        }
    }

private:
    std::deque<waiting_job<Job>> waiting_;
    std::uint64_t submitted_ = 0;
};

}}}  // namespace earlyout::EARLYOUT_ABI::detail

#endif
