// SPDX-License-Identifier: MIT
// earlyout_loading MODEL FORMAT THREADS ROUNDS: seconds and memory until a model can compute its first token, beside
// those of read(2) of the same bytes into fresh memory with as many threads. Each measurement is a process of its own;
// they alternate.
#include <earlyout/core/aligned_buffer.hpp>
#include <earlyout/core/thread_pool.hpp>
#include <earlyout/io/load_cached.hpp>
#include <earlyout/models/any_model.hpp>

#include "../quantile.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace eo = earlyout;

namespace {

struct measured {
    double seconds = 0.0;
    double megabytes = 0.0;  // of memory at the most
};

/// Runs `body` in a process of its own.
template <class Body>
measured measure(Body body) {
    int ends[2];
    if (pipe(ends) != 0) std::abort();
    const pid_t child = fork();
    if (child == 0) {
        measured made;
        try {
            const auto begun = std::chrono::steady_clock::now();
            body();
            made.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
        } catch (const std::exception& e) {
            std::fprintf(stderr, "%s\n", e.what());
            _exit(1);
        }
        _exit(write(ends[1], &made, sizeof made) == static_cast<ssize_t>(sizeof made) ? 0 : 1);
    }
    close(ends[1]);
    measured made;
    const bool arrived = read(ends[0], &made, sizeof made) == static_cast<ssize_t>(sizeof made);
    close(ends[0]);
    struct rusage used {};
    int status = 0;
    wait4(child, &status, 0, &used);
    if (!arrived) std::exit(1);
    made.megabytes = static_cast<double>(used.ru_maxrss) * 1024.0 / 1e6;
    return made;
}

/// Reads the files into fresh memory, each thread a part.
void read_files(const std::string& model, std::size_t threads) {
    eo::thread_pool pool(threads);
    for (const eo::io::model_file& file : eo::io::model_files(model)) {
        eo::aligned_buffer<std::byte> memory(file.bytes);
        const int from = open(file.path.c_str(), O_RDONLY);
        pool.run(threads, [&](std::size_t piece) {
            const std::size_t end = file.bytes * (piece + 1) / threads;
            for (std::size_t at = file.bytes * piece / threads; at < end;) {
                const auto count =
                    pread(from, memory.data() + at, std::min<std::size_t>(end - at, 1 << 20), static_cast<off_t>(at));
                if (count <= 0) std::abort();
                at += static_cast<std::size_t>(count);
            }
        });
        close(from);
    }
}

void print(const char* what, const std::vector<measured>& all, double bytes, double seconds_of_read) {
    std::vector<double> seconds, memory;
    for (const measured& m : all) {
        seconds.push_back(m.seconds);
        memory.push_back(m.megabytes);
    }
    const double found = quantile(seconds, 0.5);
    std::printf("%-24s %7.3f s (%.3f .. %.3f) %6.2f GB/s %6.2f x read(2)  peak %6.0f MB\n", what, found,
                std::ranges::min(seconds), std::ranges::max(seconds), bytes / found / 1e9, found / seconds_of_read,
                quantile(memory, 0.5));
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 5) {
        std::fprintf(stderr, "usage: earlyout_loading MODEL FORMAT THREADS ROUNDS\n");
        return 2;
    }
    const std::string model = argv[1];
    const eo::any_format format{std::string_view(argv[2])};
    const std::size_t threads = std::strtoul(argv[3], nullptr, 10), rounds = std::strtoul(argv[4], nullptr, 10);
    if (threads == 0 || rounds == 0) eo::fail(eo::errc::invalid_argument, "THREADS, ROUNDS: expected at least 1");
    double bytes = 0.0;
    for (const eo::io::model_file& file : eo::io::model_files(model)) bytes += static_cast<double>(file.bytes);
    std::string pattern = (std::filesystem::temp_directory_path() / "earlyout-loading-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) eo::fail(eo::errc::io, pattern, ": cannot be created");
    const std::filesystem::path cache = pattern;
    const auto load = [&](bool cached) {
        eo::thread_pool pool(threads);
        const eo::io::load_options options{.on = &pool};
        const auto loaded = cached ? eo::io::load_cached<eo::any_model>(model, format, format, cache, options)
                                   : eo::io::load<eo::any_model>(model, format, format, options);
        if (loaded.network().output_bytes() == 0) std::abort();
    };
    (void)measure([&] { load(true); });  // the file that later starts map; and the page cache
    std::vector<measured> reading, loading, mapping;
    for (std::size_t round = 0; round < rounds; ++round) {
        reading.push_back(measure([&] { read_files(model, threads); }));
        loading.push_back(measure([&] { load(false); }));
        mapping.push_back(measure([&] { load(true); }));
    }
    double packed = 0.0;
    for (const auto& entry : std::filesystem::directory_iterator(cache)) {
        packed += static_cast<double>(entry.file_size());
    }
    std::filesystem::remove_all(cache);
    std::vector<double> seconds;
    for (const measured& m : reading) seconds.push_back(m.seconds);
    std::printf("%s, %.0f MB, packed %.0f MB, %zu threads, %zu rounds\n", model.c_str(), bytes / 1e6, packed / 1e6,
                threads, rounds);
    print("read(2)", reading, bytes, quantile(seconds, 0.5));
    print("load", loading, bytes, quantile(seconds, 0.5));
    print("load, second with cache", mapping, bytes, quantile(seconds, 0.5));
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
