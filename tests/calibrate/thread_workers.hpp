// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_CALIBRATE_THREAD_WORKERS_HPP
#define EARLYOUT_TESTS_CALIBRATE_THREAD_WORKERS_HPP

#include <earlyout/calibrate/workers.hpp>

#include <barrier>
#include <cstddef>
#include <thread>
#include <vector>

namespace support {

/// Threads in place of processes.
class thread_workers final : public earlyout::calibrate::workers {
public:
    struct shared {
        explicit shared(std::size_t count) : here(static_cast<std::ptrdiff_t>(count)), size(count) {}
        std::barrier<> here;
        std::size_t size;
        std::vector<std::byte> bytes{};
    };
    thread_workers(shared& with, std::size_t rank) : with_(with), rank_(rank) {}

    [[nodiscard]] std::size_t rank() const noexcept override { return rank_; }
    [[nodiscard]] std::size_t count() const noexcept override { return with_.size; }
    void broadcast(std::size_t from, std::vector<std::byte>& bytes) override {
        if (rank_ == from) with_.bytes = bytes;
        with_.here.arrive_and_wait();
        bytes = with_.bytes;
        with_.here.arrive_and_wait();
    }

private:
    shared& with_;
    std::size_t rank_;
};

/// Calls `run` with each of the workers, each in its own thread. It must not throw.
template <class Run>
void run_workers(std::size_t count, Run run) {
    thread_workers::shared with(count);
    std::vector<std::jthread> threads;
    for (std::size_t rank = 0; rank < count; ++rank) {
        threads.emplace_back([&with, &run, rank] {
            thread_workers own(with, rank);
            run(own);
        });
    }
}

}  // namespace support

#endif
