// SPDX-License-Identifier: MIT
#ifndef EARLYOUT_TESTS_CLI_COMMAND_HPP
#define EARLYOUT_TESTS_CLI_COMMAND_HPP

#include <nlohmann/json.hpp>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/temporary_folder.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

namespace support {

/// What the earlyout command did.
struct command_result {
    std::string out;
    std::string err;
    int status = -1;  ///< exit status; 128 + the signal that ended it

    nlohmann::json json() const { return nlohmann::json::parse(out); }
    /// Refused in one sentence, with nothing on standard output.
    bool refused(int expected_status, const std::vector<std::string>& words) const {
        for (const std::string& word : words) {
            if (err.find(word) == std::string::npos) return false;
        }
        return status == expected_status && out.empty() && err.starts_with("earlyout: ") &&
               err.find('\n') == err.size() - 1;
    }
};

inline std::ostream& operator<<(std::ostream& to, const command_result& r) {
    return to << "status " << r.status << "\nout: " << r.out << "\nerr: " << r.err;
}

/// Runs a program with these arguments, no shell in between.
/// @param output where its standard output goes; -1: into the result
inline command_result run_program(const std::string& program, std::vector<std::string> arguments,
                                  const std::string& input = "", int output = -1) {
    const temporary_folder folder;
    folder.write("in", input);
    const std::string in = (folder / "in").string(), out = (folder / "out").string(), err = (folder / "err").string();
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, in.c_str(), O_RDONLY, 0);
    if (output < 0) {
        posix_spawn_file_actions_addopen(&files, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
    } else {
        posix_spawn_file_actions_adddup2(&files, output, 1);
    }
    posix_spawn_file_actions_addopen(&files, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);
    arguments.insert(arguments.begin(), program);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_t child = 0;
    const int failed = posix_spawn(&child, program.c_str(), &files, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    int status = 0;
    if (failed != 0 || waitpid(child, &status, 0) != child) throw std::runtime_error("the command did not run");
    return {folder.read("out"), folder.read("err"), WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
}

/// Runs the earlyout command.
inline command_result earlyout_command(std::vector<std::string> arguments, const std::string& input = "",
                                       int output = -1) {
    return run_program(EARLYOUT_COMMAND, std::move(arguments), input, output);
}

}  // namespace support

#endif
