// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_THREAD_POOL_HPP
#define EARLYOUT_CORE_THREAD_POOL_HPP

#include <earlyout/core/error.hpp>
#include <earlyout/core/executor.hpp>
#include <earlyout/core/platform.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Where the threads of a pool run and what they give way to. The caller's thread is not the pool's, and stays as it
/// is: place_this_thread().
struct thread_placement {
    /// Processors, by the system's numbers: thread i, the caller's being 0, runs on processors[i % n] alone. Empty:
    /// wherever the system lets it run.
    std::vector<std::size_t> processors{};
    int niceness = 0;  ///< 0 .. 19: of the pool's threads; more gives way to other programs more often
};

/// Places the calling thread as one of a pool's.
/// @param number its place among the threads
/// @throws error (invalid_argument) for a niceness outside 0 .. 19, (io) with the system's reason
inline void place_this_thread(const thread_placement& placement, std::size_t number = 0) {
    if (placement.niceness < 0 || placement.niceness > 19) {
        fail(errc::invalid_argument, "niceness: expected 0 .. 19, found ", placement.niceness);
    }
    if (!placement.processors.empty()) {
        const std::size_t processor = placement.processors[number % placement.processors.size()];
        if (const int problem = platform::bind_thread(processor); problem != 0) {
            fail(errc::io, "processors: a thread cannot be bound to processor ", processor, ": ",
                 std::generic_category().message(problem));
        }
    }
    if (placement.niceness == 0) return;
    if (const int problem = platform::set_thread_niceness(placement.niceness); problem != 0) {
        fail(errc::io, "niceness: ", placement.niceness, ": ", std::generic_category().message(problem));
    }
}

/// Threads for one session's operations. Idle threads spin for some tens of microseconds (the gap between two matrix
/// products), then sleep. Each has a contiguous share of the pieces and takes them in order, so that it streams its own
/// range of memory; a thread that finishes early steals from the others, and one that does not start in time is
/// skipped: a busy machine slows the pool instead of stalling it.
class thread_pool final : public executor {
public:
    /// @param threads how many run at once, the caller's included; 1 .. 1024
    /// @throws error (invalid_argument), (io) when the system does not start that many, or not there
    explicit thread_pool(std::size_t threads, const thread_placement& placement = {}) {
        if (threads == 0 || threads > 1024) {
            fail(errc::invalid_argument, "threads: expected 1 .. 1024, found ", threads);
        }
        const auto refuse = [&](const std::string& reason) {
            const std::size_t started = workers_.size();
            shut_down();
            fail(errc::io, "threads: expected ", threads, ", the system started ", started,
                 " besides the caller's: ", reason);
        };
        const bool is_anywhere = placement.processors.empty() && placement.niceness == 0;
        std::shared_ptr<start_up> placing;
        try {
            if (!is_anywhere) placing = std::make_shared<start_up>(placement, threads - 1);
            shares_ = std::make_unique<share[]>(threads);
            workers_.reserve(threads - 1);
            for (std::size_t i = 1; i < threads; ++i) {
                workers_.emplace_back([this, i, placing] {
                    if (placing) placing->place(i);
                    work_until_stopped(i);
                });
            }
        } catch (const std::system_error& problem) {
            refuse(problem.code().message());
        } catch (const std::bad_alloc&) {
            refuse("no memory is left");
        }
        if (const std::exception_ptr problem = placing ? placing->wait() : nullptr) {
            shut_down();
            std::rethrow_exception(problem);
        }
    }
    ~thread_pool() override { shut_down(); }

    [[nodiscard]] std::size_t concurrency() const noexcept override { return workers_.size() + 1; }

    void run(std::size_t pieces, function_ref<void(std::size_t)> body) override {
        if (workers_.empty() || pieces < 2) {
            for (std::size_t piece = 0; piece < pieces; ++piece) body(piece);
            return;
        }
        body_.emplace(body);
        for (std::size_t i = 0; i < concurrency(); ++i) {
            shares_[i].next.store(pieces * i / concurrency(), std::memory_order_relaxed);
            shares_[i].end = pieces * (i + 1) / concurrency();
        }
        const std::uint32_t epoch = (state_.load(std::memory_order_relaxed) & epoch_mask) + epoch_step;
        state_.store(epoch | open, std::memory_order_release);
        state_.notify_all();
        work(0);
        // Closed: a worker that has not joined yet never sees this job.
        state_.fetch_and(~open, std::memory_order_acq_rel);
        wait_until([](std::uint32_t state) { return (state & active_mask) == 0; });
    }

private:
    // state_: epoch of the job | open to join | stop | workers inside the job
    static constexpr std::uint32_t active_mask = 0x0fff;
    static constexpr std::uint32_t stop = 0x1000;
    static constexpr std::uint32_t open = 0x2000;
    static constexpr std::uint32_t epoch_step = 0x4000;
    static constexpr std::uint32_t epoch_mask = ~(epoch_step - 1);
    static constexpr int spins_before_sleep = 4000;

    /// What workers report when they have been placed.
    class start_up {
    public:
        start_up(thread_placement placement, std::size_t threads) : placement_(std::move(placement)), left_(threads) {}
        void place(std::size_t thread) noexcept {
            try {
                place_this_thread(placement_, thread);
            } catch (...) {
                const std::scoped_lock lock(mutex_);
                problem_ = std::current_exception();
            }
            left_.fetch_sub(1, std::memory_order_acq_rel);
            left_.notify_all();
        }
        /// Returns what kept a thread from its place, once all have tried.
        [[nodiscard]] std::exception_ptr wait() noexcept {
            while (const std::size_t left = left_.load(std::memory_order_acquire)) left_.wait(left);
            const std::scoped_lock lock(mutex_);
            return problem_;
        }

    private:
        thread_placement placement_;
        std::atomic<std::size_t> left_;
        std::mutex mutex_;
        std::exception_ptr problem_;
    };

    struct alignas(64) share {
        std::atomic<std::size_t> next{0};
        std::size_t end = 0;
    };

    /// Spins, then sleeps, until the predicate holds; returns the state that satisfied it.
    template <class Predicate>
    std::uint32_t wait_until(Predicate done) noexcept {
        for (int spins = 0;; ++spins) {
            const std::uint32_t state = state_.load(std::memory_order_acquire);
            if (done(state)) return state;
            if (spins < spins_before_sleep) {
                platform::relax();
            } else {
                state_.wait(state, std::memory_order_acquire);
            }
        }
    }

    /// Runs a thread's own share, then the remaining pieces of the others.
    void work(std::size_t thread) noexcept {
        for (std::size_t i = 0; i < concurrency(); ++i) {
            share& from = shares_[(thread + i) % concurrency()];
            for (std::size_t piece; (piece = from.next.fetch_add(1, std::memory_order_relaxed)) < from.end;) {
                (*body_)(piece);
            }
        }
    }

    void work_until_stopped(std::size_t thread) noexcept {
        std::uint32_t last_epoch = 0;
        for (;;) {
            std::uint32_t state = wait_until([&](std::uint32_t s) {
                return (s & stop) != 0 || ((s & open) != 0 && (s & epoch_mask) != last_epoch);
            });
            if ((state & stop) != 0) return;
            if (!state_.compare_exchange_strong(state, state + 1, std::memory_order_acq_rel)) continue;
            last_epoch = state & epoch_mask;
            work(thread);
            if ((state_.fetch_sub(1, std::memory_order_acq_rel) & active_mask) == 1) state_.notify_all();
        }
    }

    void shut_down() noexcept {
        state_.fetch_or(stop, std::memory_order_release);
        state_.notify_all();
        for (std::thread& worker : workers_) worker.join();
    }

    alignas(64) std::atomic<std::uint32_t> state_{0};
    std::unique_ptr<share[]> shares_;  // of each thread, the caller's first
    std::optional<function_ref<void(std::size_t)>> body_;
    std::vector<std::thread> workers_;
};

}}  // namespace earlyout::EARLYOUT_ABI

#endif
