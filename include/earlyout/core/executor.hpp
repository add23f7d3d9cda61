// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CORE_EXECUTOR_HPP
#define EARLYOUT_CORE_EXECUTOR_HPP

#include <earlyout/core/function_ref.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI {

/// Runs independent pieces of one operation. A program with its own threads derives from this; the library's own is
/// `thread_pool`. An executor serves one session at a time.
class executor {
public:
    executor() = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;
    virtual ~executor() = default;

    /// Returns how many pieces can make progress at once, the caller's thread included.
    [[nodiscard]] virtual std::size_t concurrency() const noexcept = 0;

    /// Calls body(0) .. body(pieces - 1), in any order, on any thread, and returns when all are done.
    /// Neither this nor `body` may throw.
    virtual void run(std::size_t pieces, function_ref<void(std::size_t)> body) = 0;
};

/// Runs everything on the calling thread.
class inline_executor final : public executor {
public:
    [[nodiscard]] std::size_t concurrency() const noexcept override { return 1; }
    void run(std::size_t pieces, function_ref<void(std::size_t)> body) override {
        for (std::size_t piece = 0; piece < pieces; ++piece) body(piece);
    }
};

/// Chunks per thread; over-decomposition so that a preempted thread delays only one chunk.
inline constexpr std::size_t pieces_per_thread = 4;

/// Splits [0, count) into contiguous ranges and calls body(piece, begin, end) on each; pieces are
/// numbered from 0 and fewer than pieces_per_thread * concurrency().
/// @param grain fewest items worth a piece; below twice that, everything runs on the calling thread
template <class Body>
void parallel_for(executor& on, std::size_t count, std::size_t grain, Body&& body) {
    const std::size_t threads = on.concurrency();
    if (threads == 1 || count < 2 * grain) {
        if (count != 0) body(std::size_t{0}, std::size_t{0}, count);
        return;
    }
    const std::size_t pieces = std::min(threads * pieces_per_thread, count / grain);
    on.run(pieces, [&](std::size_t piece) { body(piece, count * piece / pieces, count * (piece + 1) / pieces); });
}

/// The same for a body that may throw: all pieces are run, then the exception of the lowest one is thrown.
template <class Body>
void parallel_for_throwing(executor& on, std::size_t count, std::size_t grain, Body&& body) {
    std::vector<std::exception_ptr> thrown(pieces_per_thread * on.concurrency());
    parallel_for(on, count, grain, [&](std::size_t piece, std::size_t begin, std::size_t end) {
        try {
            body(piece, begin, end);
        } catch (...) {
            thrown[piece] = std::current_exception();
        }
    });
    for (const std::exception_ptr& problem : thrown) {
        if (problem) std::rethrow_exception(problem);
    }
}

}}  // namespace earlyout::EARLYOUT_ABI

#endif
