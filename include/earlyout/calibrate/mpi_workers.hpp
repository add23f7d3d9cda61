// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_CALIBRATE_MPI_WORKERS_HPP
#define EARLYOUT_CALIBRATE_MPI_WORKERS_HPP

#include <earlyout/calibrate/workers.hpp>
#include <earlyout/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <mpi.h>

namespace earlyout { inline namespace EARLYOUT_ABI { namespace calibrate {

/// The processes of an MPI communicator. MPI must be initialized, and finalized after the last use; one thread of each
/// process at a time communicates.
class mpi_workers final : public workers {
public:
    explicit mpi_workers(MPI_Comm all = MPI_COMM_WORLD) : all_(all) {
        check(MPI_Comm_set_errhandler(all_, MPI_ERRORS_RETURN));
        check(MPI_Comm_rank(all_, &rank_));
        check(MPI_Comm_size(all_, &count_));
    }

    [[nodiscard]] std::size_t rank() const noexcept override { return static_cast<std::size_t>(rank_); }
    [[nodiscard]] std::size_t count() const noexcept override { return static_cast<std::size_t>(count_); }
    void broadcast(std::size_t from, std::vector<std::byte>& bytes) override {
        std::uint64_t size = bytes.size();
        check(MPI_Bcast(&size, 1, MPI_UINT64_T, static_cast<int>(from), all_));
        bytes.resize(static_cast<std::size_t>(size));
        constexpr std::size_t piece = std::size_t{1} << 30;  // MPI counts in int
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            const auto count = static_cast<int>(std::min(piece, bytes.size() - at));
            check(MPI_Bcast(bytes.data() + at, count, MPI_BYTE, static_cast<int>(from), all_));
        }
    }

private:
    static void check(int status) {
        if (status == MPI_SUCCESS) return;
        char text[MPI_MAX_ERROR_STRING] = "";
        int length = 0;
        MPI_Error_string(status, text, &length);
        fail(errc::io, "MPI: ", text);
    }

    MPI_Comm all_;
    int rank_ = 0;
    int count_ = 1;
};

}  // namespace calibrate
}}  // namespace earlyout::EARLYOUT_ABI

#endif
