// SPDX-License-Identifier: MIT
// Compiles a source and a fixed probe with the same compiler and compares what they take:
//
//     measure TIME MEMORY PROBE SOURCE COMPILER [FLAG...]
//
// fails when SOURCE takes more than TIME times the user seconds of PROBE, or more than MEMORY times its memory. Both
// are compiled three times in turn, and the least counts: what else the machine does only adds.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

struct cost {
    double seconds;
    double megabytes;
};

cost compile(std::vector<std::string> command, const char* source) {
    command.insert(command.end(), {"-c", source, "-o", "/dev/null"});
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (std::string& argument : command) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        execvp(arguments[0], arguments.data());
        _exit(127);
    }
    int status = 0;
    rusage used{};
    if (child < 0 || wait4(child, &status, 0, &used) != child || status != 0) {
        throw std::runtime_error(std::string("measure: cannot compile ") + source);
    }
    return {static_cast<double>(used.ru_utime.tv_sec) + static_cast<double>(used.ru_utime.tv_usec) * 1e-6,
            static_cast<double>(used.ru_maxrss) / 1024.0};
}

bool within(const char* what, double found, double probe, double limit) {
    std::printf("%s %.2f, of the probe %.2f: %.2f times as much, of at most %.2f\n", what, found, probe, found / probe,
                limit);
    return found <= probe * limit;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 6) throw std::runtime_error("usage: measure TIME MEMORY PROBE SOURCE COMPILER [FLAG...]");
    const std::vector<std::string> command(argv + 5, argv + argc);
    cost probe{1e9, 1e9}, source{1e9, 1e9};
    const auto take = [](cost& least, const cost& found) {
        least = {std::min(least.seconds, found.seconds), std::min(least.megabytes, found.megabytes)};
    };
    for (int round = 0; round < 3; ++round) {
        take(probe, compile(command, argv[3]));
        take(source, compile(command, argv[4]));
    }
    const bool in_time = within("user seconds", source.seconds, probe.seconds, std::atof(argv[1]));
    const bool in_memory = within("megabytes", source.megabytes, probe.megabytes, std::atof(argv[2]));
    return in_time && in_memory ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
