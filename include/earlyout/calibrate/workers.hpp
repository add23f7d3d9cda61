// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_WORKERS_HPP
#define EARLYOUT_CALIBRATE_WORKERS_HPP

#include <earlyout/calibrate/bytes.hpp>
#include <earlyout/calibrate/shards.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// Processes that share a calculation over texts. All have the same program, model and texts; each computes some shards
/// and receives the results of all, so that all hold the same bits. The implementation over MPI is mpi_workers.
class workers {
public:
    workers() = default;
    workers(const workers&) = delete;
    workers& operator=(const workers&) = delete;
    virtual ~workers() = default;

    /// Returns the number of this process, from 0.
    [[nodiscard]] virtual std::size_t rank() const noexcept = 0;
    /// Returns the number of processes.
    [[nodiscard]] virtual std::size_t count() const noexcept = 0;
    /// Sends the bytes of one process to all others, in place of theirs. All call it, in the same order.
    /// @throws error (io) when that fails
    virtual void broadcast(std::size_t from, std::vector<std::byte>& bytes) = 0;
};

/// Returns the process that computes a shard.
[[nodiscard]] inline std::size_t owner_of_shard(const workers* among, std::size_t shard) noexcept {
    return among == nullptr ? 0 : shard % among->count();
}
/// Returns true if this process computes the shard: always where nobody shares the work.
[[nodiscard]] inline bool is_own_shard(const workers* among, std::size_t shard) noexcept {
    return among == nullptr || owner_of_shard(among, shard) == among->rank();
}

/// Returns a result as the process `from` has it.
template <class Result>
[[nodiscard]] Result shared_result(workers* among, std::size_t from, Result own) {
    if (among == nullptr || among->count() == 1) return own;
    std::vector<std::byte> bytes;
    if (among->rank() == from) bytes = to_bytes(own);
    among->broadcast(from, bytes);
    return among->rank() == from ? std::move(own) : from_bytes<Result>(bytes);
}

/// Computes the shards that are this process's and calls `take` with the results of all, in their order.
/// @param compute returns the result of a shard, given its number
template <class Compute, class Take>
void for_each_shard(workers* among, Compute compute, Take take) {
    using result = decltype(compute(std::size_t{0}));
    if (among == nullptr) {
        for (std::size_t shard = 0; shard < shard_count; ++shard) take(shard, compute(shard));
        return;
    }
    std::vector<std::optional<result>> own(shard_count);
    for (std::size_t shard = 0; shard < shard_count; ++shard) {
        if (is_own_shard(among, shard)) own[shard] = compute(shard);
    }
    for (std::size_t shard = 0; shard < shard_count; ++shard) {
        result mine{};
        if (own[shard]) mine = *std::exchange(own[shard], std::nullopt);
        take(shard, shared_result(among, owner_of_shard(among, shard), std::move(mine)));
    }
}

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
