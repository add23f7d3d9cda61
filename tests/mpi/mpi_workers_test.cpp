// SPDX-License-Identifier: MIT
// Run by several processes: mpirun -n 3 earlyout_mpi_tests
#include <earlyout/calibrate/mpi_workers.hpp>

#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include <mpi.h>

namespace calibrate = earlyout::calibrate;

namespace {

int failed = 0;

void require(bool holds, const char* what) {
    if (holds) return;
    ++failed;
    std::fprintf(stderr, "mpi_workers_test: expected %s\n", what);
}

void run(calibrate::mpi_workers& all) {
    require(all.count() >= 2, "several processes: mpirun -n 3 earlyout_mpi_tests");
    require(all.rank() < all.count(), "a rank below the number of processes");
    for (std::size_t from = 0; from < all.count(); ++from) {
        const std::string own = "process " + std::to_string(all.rank());
        require(calibrate::shared_result(&all, from, own) == "process " + std::to_string(from),
                "the text of the process that has it");
        // Nothing, and more than fits into one piece of a network's buffer.
        for (const std::size_t size : {std::size_t{0}, std::size_t{1} << 22}) {
            std::vector<std::byte> bytes;
            if (all.rank() == from) bytes.assign(size, std::byte(from + 1));
            all.broadcast(from, bytes);
            require(bytes == std::vector<std::byte>(size, std::byte(from + 1)),
                    "the bytes of the process that has them");
        }
    }
    double sum = 0.0, expected = 0.0;
    std::size_t computed = 0;
    calibrate::for_each_shard(
        &all,
        [&](std::size_t shard) {
            ++computed;
            return 1.0 / (1.0 + static_cast<double>(shard));
        },
        [&](std::size_t, double part) { sum += part; });
    for (std::size_t s = 0; s < calibrate::shard_count; ++s) expected += 1.0 / (1.0 + static_cast<double>(s));
    require(sum == expected, "the sum of all shards in their order");
    require(computed < calibrate::shard_count, "shards shared among the processes");
}

}  // namespace

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    {
        calibrate::mpi_workers all;
        run(all);
    }
    MPI_Finalize();
    return failed == 0 ? 0 : 1;
}
